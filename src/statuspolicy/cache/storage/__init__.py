"""Storages of responses: in memory, in a SQLite file, in Redis."""
