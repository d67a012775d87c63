"""The shared fixtures of the contract tests."""

from tests.synthgen.conftest import tiny_model

__all__ = ["tiny_model"]
