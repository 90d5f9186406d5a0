"""Versioned artifacts on disk: published atomically, verified when they are read."""
