"""XTREME-R: targets, their files, their metrics."""
