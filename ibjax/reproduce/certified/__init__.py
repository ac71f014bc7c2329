"""Certificates near the gap, against n."""
