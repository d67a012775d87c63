"""Rows of freely licensed sets that ship with the package, so that it can be tried without a hub: see README.md."""

from pathlib import Path

SAMPLES = Path(__file__).parent
"""A data root of two targets, udpos and tatoeba, with training sets of two intermediate tasks."""
MNLI_SAMPLE = SAMPLES / "mnli.jsonl"
SNLI_ROWS = SAMPLES / "snli" / "train.jsonl"
