"""The shared fixtures of the contract tests."""

from tests.evaluator.conftest import tiny_model as tiny_encoder
from tests.synthgen.conftest import tiny_model

__all__ = ["tiny_encoder", "tiny_model"]
