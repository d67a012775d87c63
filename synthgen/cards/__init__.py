"""Dataset cards, Croissant metadata, charts."""
