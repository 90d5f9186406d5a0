"""Training on several workers: processes that hold the rows of the tables between them, on one machine or on many."""
