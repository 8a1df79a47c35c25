"""202: the status monitor, asked until it is over."""
