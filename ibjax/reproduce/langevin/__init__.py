"""Noisy-SGD bounds along Langevin dynamics beside published figures."""
