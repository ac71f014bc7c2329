"""Data sets by name, synthetic laws that carry their truth, and supersamples."""

from ibjax.data.benchmark_tasks import BenchmarkLaw, benchmark_laws
from ibjax.data.catalogue import load, names
from ibjax.data.high_dimensional import bit_images, embedded_gaussian
from ibjax.data.originals import download, prepare
from ibjax.data.own import from_file, relabelled
from ibjax.data.sources import Source, Stored, sources
from ibjax.data.supersamples import supersample
from ibjax.data.synthetic import correlated_gaussians, label_noise, two_gaussians

__all__ = [
    "BenchmarkLaw",
    "Source",
    "Stored",
    "benchmark_laws",
    "bit_images",
    "correlated_gaussians",
    "download",
    "embedded_gaussian",
    "from_file",
    "label_noise",
    "load",
    "names",
    "prepare",
    "relabelled",
    "sources",
    "supersample",
    "two_gaussians",
]
