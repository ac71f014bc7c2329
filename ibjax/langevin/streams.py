"""Streams of randomness of a run, each folded into its key."""

INIT, BATCH, NOISE, LAYER, EVALUATION, OBSERVATION = range(6)
"""Initial weights, batches, weight noise, layer noise, that of evaluations, and observations."""
