"""Supersample bounds of published size on MNIST, beside the published numbers."""
