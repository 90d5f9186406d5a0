"""Measuring recommenders on the held-out future: means, intervals, comparisons, and the documents that hold them."""
