"""From splits to trained towers."""
