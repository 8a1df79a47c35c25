"""The memory that exchanges share (moves, cooldowns, budgets), the limits of one, and locks."""
