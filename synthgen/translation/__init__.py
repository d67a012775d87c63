"""Machine translation of whole sets."""
