"""What a recommender is asked, and the metrics of its answers."""
