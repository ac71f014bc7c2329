"""The information plane and the bottleneck."""
