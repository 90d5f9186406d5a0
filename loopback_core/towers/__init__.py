"""The two towers: a user and a track become unit vectors whose dot product is the score."""
