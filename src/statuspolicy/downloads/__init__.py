"""Downloads: a file that is complete, or not there."""
