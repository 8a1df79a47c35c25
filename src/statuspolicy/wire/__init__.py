"""What lies below: the HTTP libraries, their private names, and the sockets of httpcore."""
