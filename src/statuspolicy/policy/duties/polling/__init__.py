"""202: the duty that asks the status monitor until the operation is done."""
