"""A file from a URL, whole or not there: pure rooms, the disk, and two loops."""
