"""One exchange, without I/O: the loop, what it knows, and the guard."""
