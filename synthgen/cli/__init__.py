"""The `synthgen` command line."""

from synthgen.cli.commands import app, main

__all__ = ["app", "main"]
