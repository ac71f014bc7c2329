"""Bounds through the layers of a noisy network: depth, label term, floor."""
