"""What each choice of the recipe is worth: trained without it, or with what is there so far, measured on validation."""
