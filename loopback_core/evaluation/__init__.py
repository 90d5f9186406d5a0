"""Measuring recommenders on the held-out future: tasks, metrics, uncertainty, baselines."""
