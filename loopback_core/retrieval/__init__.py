"""From trained towers to vectors, an index over them, and recommendations."""
