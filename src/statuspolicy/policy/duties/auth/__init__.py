"""401 and 407: challenges and what answers them."""
