"""What is remembered between exchanges, within which limits, and the locks for it."""
