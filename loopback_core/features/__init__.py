"""What is known of users and tracks beside the listens: who they are, what they are called, columns of numbers."""
