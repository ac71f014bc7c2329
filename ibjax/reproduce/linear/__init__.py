"""Softmax regression on synthetic data: the order of gap and supersample bounds."""
