"""Bounds from the information between the sample and the weights."""
