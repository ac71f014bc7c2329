"""Bounds from what replacing one example changes."""
