"""Parts of the towers that the recipe leaves off: names and numbers of tracks, the last listens in order, context."""
