"""The `evaluator` command line."""

from evaluator.cli.commands import app, main

__all__ = ["app", "main"]
