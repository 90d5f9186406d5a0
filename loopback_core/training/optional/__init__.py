"""Parts of the training that the recipe leaves off."""
