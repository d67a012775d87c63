"""Verification of a finished set, and its publication."""
