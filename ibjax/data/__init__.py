"""Data sets by name, synthetic laws that carry their truth, and supersamples."""

from ibjax.data.benchmark_tasks import BenchmarkLaw as BenchmarkLaw
from ibjax.data.benchmark_tasks import benchmark_laws as benchmark_laws
from ibjax.data.catalogue import load as load
from ibjax.data.catalogue import names as names
from ibjax.data.high_dimensional import bit_images as bit_images
from ibjax.data.high_dimensional import embedded_gaussian as embedded_gaussian
from ibjax.data.originals import download as download
from ibjax.data.originals import prepare as prepare
from ibjax.data.own import from_file as from_file
from ibjax.data.own import relabelled as relabelled
from ibjax.data.supersamples import supersample as supersample
from ibjax.data.synthetic import correlated_gaussians as correlated_gaussians
from ibjax.data.synthetic import label_noise as label_noise
from ibjax.data.synthetic import two_gaussians as two_gaussians
