"""The command line `statuspolicy`: it needs the extra `cli`; `cli.demo` works without."""

import sys


def main() -> None:
    """Run the command line; without click and rich, say that it needs them."""
    try:
        from statuspolicy.cli.commands import cli
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in ("click", "rich"):
            raise
        sys.exit("The command line needs click and rich: pip install 'statuspolicy[cli]'")
    cli(prog_name="statuspolicy")
