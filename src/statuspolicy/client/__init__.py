"""What touches a client or a transport, and does the I/O."""
