"""Infinitely wide networks: exact information and gap beside bounds."""
