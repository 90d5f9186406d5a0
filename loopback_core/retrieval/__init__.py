"""Vectors of tracks and users, index engines over them, exact top-k."""
