"""The gate: a challenger is judged against the champion on what neither has seen, and promoted or kept back."""
