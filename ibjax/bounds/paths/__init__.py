"""Bounds along the path of noisy SGD: steps, trajectories, and the slots followed on them."""
