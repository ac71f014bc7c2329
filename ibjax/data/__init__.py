"""Data sets by name, synthetic laws that carry their truth, and supersamples."""

from ibjax.data.catalogue import load as load
from ibjax.data.supersamples import supersample as supersample
