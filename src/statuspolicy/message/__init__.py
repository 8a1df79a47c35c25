"""Requests and responses of the HTTP library: read, made, and remade for where they go."""
