"""The small files that ship with the package and stand in where neither the hub nor real files can be had."""

from pathlib import Path

MNLI_SAMPLE = Path(__file__).with_name("mnli.jsonl")
XTREME_R_SAMPLES = Path(__file__).with_name("xtreme_r")
"""A data root of a few dozen items a target and language."""
