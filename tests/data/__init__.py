"""Files of our own for tests, CC0: a data root of a few dozen items a target and language."""

from pathlib import Path

TINY_DATA_ROOT = Path(__file__).with_name("xtreme_r")
