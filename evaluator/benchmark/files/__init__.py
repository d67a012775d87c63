"""File formats of the targets and of predictions."""
