"""What each choice of the recipe is worth: towers trained with and without it, measured on validation."""
