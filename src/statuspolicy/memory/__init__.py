"""The memory that exchanges share: moves, cooldowns, retry budgets; and locks."""
