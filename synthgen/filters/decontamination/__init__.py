"""Filters that keep evaluation data out."""
