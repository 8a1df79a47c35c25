"""The syntax of header fields and of what they hold: bytes and text -> values. Pure."""
