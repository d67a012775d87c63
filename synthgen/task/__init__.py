"""Intermediate tasks: their definitions in `prompts/`, validated."""
