"""The layer below: the HTTP libraries, their private names, and the sockets of httpcore."""
