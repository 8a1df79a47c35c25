"""What can be run: `python -m statuspolicy.cli.demo`."""
