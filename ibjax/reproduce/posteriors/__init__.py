"""Certificates without noise in training."""
