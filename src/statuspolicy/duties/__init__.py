"""The duties: pure functions from an Exchange to a Verdict, one idea a file."""
