"""What each status code asks of a client: the table, its duties, what they see and answer."""
