"""What recommenders are measured on, and by which metrics: plain data, of any window of time."""
