"""Filters that look at one row."""
