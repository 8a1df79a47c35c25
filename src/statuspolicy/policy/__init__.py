"""The policy: the table with a duty for each status code, the Exchange, and the verdicts."""
