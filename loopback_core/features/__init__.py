"""What is known of users and tracks besides the listens: profiles, popularity, columns of numbers."""
