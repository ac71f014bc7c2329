"""Bounds from replicas trained on masked halves of supersamples, with their nulls and errors."""
