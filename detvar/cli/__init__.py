"""The command line: `detvar …`, the same as `python -m detvar …`."""

from detvar.cli.program import main

__all__ = ["main"]
