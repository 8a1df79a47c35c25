"""401 and 407: the challenges, and the duty that answers them."""
