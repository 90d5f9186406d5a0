"""The served score: its terms, their weights, and how the weights are fitted."""
