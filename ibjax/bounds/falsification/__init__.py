"""A bench for breaking bounds: random learners solved exactly, and an adversary.

`falsify` feeds a bound exact quantities of small learning problems and compares it with the exact
gap. A ratio above 1 refutes the bound; ratios below it, however many, prove nothing.

families:  the models, each with what it knows by name (`families`)
    finite, layered, head, gibbs, relaxing, two stages: finite examples and weights, enumerated
    samples, layers whose channels depend on the weights, labels that pass no layer
    supersample, interpolating: all supersamples and masks of a learner of rules
    replicas, left out, candidates: every run on one supersample, as replicas are recorded
    full, poisson, without_replacement, ...: two noisy gradient steps, all batches, exact densities
rows:      how each bound of the library is fed and what it must bound (`rows`)

Not covered, since no finite model can feed them exactly:
    estimators and intervals (`plugin`, `cluster_interval`, `mask_interval`, corrections),
    `membership_information`, `stepwise_information`, `haghifam`, `membership_upper`,
    `flip_stability`, `replace_one`: averages over sampled runs
    `binary_gaussian`, `gaussian_divergence`, `gaussian_posterior`, `smoothed_information`,
    `wasserstein`, `sliced_wasserstein`, `gaussian_line`: Gaussian weights or clouds of points
    `virtual_noise`: gradient descent without noise
    `sample_complexity`, `depth_floor`: no bounds on a gap; the first inverts
    `depth`
    `evaluate` and `from_arrays`: bounds on evidence, which are made of those above
"""

from ibjax.bounds.falsification.bench import falsify, families
from ibjax.bounds.falsification.family import Family
from ibjax.bounds.falsification.records import Verdict
from ibjax.bounds.falsification.rows import Row, rows

__all__ = ["Family", "Row", "Verdict", "falsify", "families", "rows"]
