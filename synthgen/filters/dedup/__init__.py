"""Duplicate search: exact, near (MinHash) and semantic."""
