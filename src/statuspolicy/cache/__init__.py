"""A private HTTP cache (RFC 9111), by its own headings: pure functions over values."""
