"""A private HTTP cache (RFC 9111), as pure functions over values; it names no HTTP library."""
