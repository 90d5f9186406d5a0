"""The recommender itself: plain data in, plain data out, no Dagster. Importing it loads neither torch nor faiss."""
