"""Training and inference of one model."""
