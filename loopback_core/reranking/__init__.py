"""Re-ranking: the order of a list as people like it, by rules and for diversity."""
