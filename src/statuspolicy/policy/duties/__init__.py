"""The duties: pure functions from an Exchange to a Verdict, a file for each subject."""
