"""What the service answered, and what came of it: the log of answers, the listens that came afterwards, hit rates."""
