"""One bad value at a time: every function answers with a `ValueError` of one line, or shows it.

Types are the matter of `test_signatures`; here the values are wrong: missing numbers, other
lengths, unknown names, counts that are none. What was missing may come out as NaN or as not ok.
"""

from typing import Any

import jax
import numpy as np
import pytest

from ibjax import bottleneck, bounds, contraction, data, infinite, maxent, mi, teacher
from ibjax.interface import Estimate

RNG = np.random.default_rng(0)
KEY = jax.random.key(0)
LOSS, MASK = RNG.integers(0, 2, (2, 4, 5, 2)), RNG.integers(0, 2, (2, 4, 5))
X, Y, LABELS = RNG.normal(size=(30, 2)), RNG.normal(size=(30, 2)), RNG.integers(0, 2, 30)
STEPS, NOISE, PATHS = np.full(6, 0.1), np.full(6, 0.2), RNG.random((3, 6))
JOINT = RNG.dirichlet(np.ones(12)).reshape(4, 3)
CHANNEL = np.array([[0.9, 0.1], [0.2, 0.8]])
BITS = RNG.integers(0, 2, (30, 3)).astype(float)
INFO = dict(information=1.0, n=100, sigma=0.5)
PATH = dict(step_sizes=STEPS, noise_stds=NOISE)
BATCHES = dict(clip=1.0, batching="poisson", batch_size=4.0, n=20.0, dim=None)

CALLS: list[tuple[Any, dict[str, Any]]] = [
    (bounds.xu_raginsky, INFO),
    (bounds.absolute_gap, INFO),
    (bounds.individual, dict(information_i=RNG.random(5), sigma=0.5)),
    (bounds.sum_over_examples, dict(information=Estimate(np.full(5, 0.1)), n=5)),
    (bounds.depth, dict(INFO, etas=[0.5, 0.7], num_classes=2)),
    (bounds.f_cmi, dict(predictions=LOSS, masks=MASK, num_classes=2)),
    (bounds.e_cmi, dict(losses=LOSS, masks=MASK)),
    (bounds.ld_cmi, dict(losses=LOSS, masks=MASK)),
    (bounds.single_loss, dict(losses=LOSS, masks=MASK)),
    (bounds.f_information, dict(losses=LOSS, masks=MASK)),
    (bounds.leave_one_out, dict(losses=RNG.integers(0, 2, (2, 4, 4)))),
    (bounds.cmi_limit, dict(losses=LOSS, masks=MASK)),
    (bounds.remembered, dict(losses=LOSS, masks=MASK)),
    (bounds.from_membership, dict(membership=MASK[0], losses=LOSS[0, ..., 0], draws=2)),
    (bounds.masks_needed, dict(value=0.3, share=0.1)),
    (bounds.steinke_zakynthinou, dict(information=1.0, n=100)),
    (bounds.fast_rate, dict(train_error=0.1, information=0.1)),
    (bounds.interpolation, dict(train_error=0.0, information=0.1)),
    (bounds.deviation_probability, dict(INFO, gap=0.1)),
    (
        bounds.sample_complexity,
        dict(gap=0.1, information=1.0, etas=[0.5], sigma=0.5, variant="published"),
    ),
    (bounds.rate_distortion, dict(rate=1.0, n=100, sigma=0.5, distortion=0.1)),
    (bounds.random_subset, dict(divergence=1.0, n=100, kept=10, sigma=0.5)),
    (bounds.k_ghost, dict(information=0.5, k=3)),
    (bounds.pac_bayes_kl, dict(train_error=0.1, divergence=1.0, n=100, delta=0.05)),
    (bounds.gibbs, dict(inverse_temperature=10.0, n=100, sigma=0.5)),
    (
        bounds.free_energy,
        dict(initial_loss=1.0, loss=0.5, inverse_temperature=10.0, n=100),
    ),
    (bounds.noisy_sgd_information, dict(PATH, gradient_norm=np.ones(6), dim=10)),
    (bounds.sample_information, dict(PATH, clip=1.0, batch_size=4, n=20, dim=9)),
    (bounds.per_example_information, dict(PATH, **BATCHES)),
    (bounds.sample_information_total, dict(PATH, **BATCHES)),
    (bounds.account, dict(PATH, **BATCHES, train_error=0.1, num_classes=2)),
    (bounds.hidden_share, dict(PATH, clip=1.0, batching="poisson", batch_size=4, n=20)),
    (
        bounds.measured_information,
        dict(
            PATH,
            values=np.full(9, 0.01),
            clip=1.0,
            batching="poisson",
            batch_size=4,
            n=20,
            delta=0.1,
        ),
    ),
    (bounds.mixture_kl, dict(q=0.1, r=0.5)),
    (bounds.fixed_step, dict(q=0.1, r=0.5)),
    (bounds.bins_epoch, dict(r=NOISE, m=8)),
    (bounds.shuffled_epoch, dict(r=NOISE, q=0.1)),
    (bounds.joint_depth, dict(information=0.1, eta=0.5, label_deviation=0.02)),
    (bounds.depth_floor, dict(confusion=CHANNEL)),
    (bounds.exceedance_probability, dict(gap=0.1, information=1.0, n=100)),
    (bounds.likely_gap, dict(information=1.0, n=100, level=0.05)),
    (bounds.path_certificate, dict(train_error=0.1, log_density=10.0, n=100, delta=0.05)),
    (bounds.mean_upper_limit, dict(values=NOISE, cap=1.0, delta=0.05)),
    (bounds.membership_certificate, dict(information=NOISE, cap=1.0, delta=0.05)),
    (bounds.membership_gain, dict(k=0.1, y=0.5)),
    (bounds.given_survival, dict(information=0.1, survival=0.9)),
    (bounds.survival_limit, dict(survived=8, runs=10, delta=0.05)),
    (bounds.survival_split, dict(joint=JOINT, ok=np.array([1.0, 0.0, 1.0]))),
    (bounds.negrea, dict(PATH, variance=PATHS, batch_size=4, n=20, sigma=0.5)),
    (bounds.null_gradient, dict(PATH, second_moment=PATHS, batch_size=4, n=20, sigma=0.5)),
    (bounds.li_luo_qiao, dict(PATH, second_moment=PATHS, n=20)),
    (bounds.haghifam, dict(energy=PATHS, ratios=PATHS)),
    (bounds.log_likelihood_ratios, dict(energy=PATHS, noise_product=PATHS)),
    (bounds.path_membership, dict(information=PATHS)),
    (
        bounds.gaussian_divergence,
        dict(mean=np.zeros(3), std=np.ones(3), prior_mean=np.ones(3), prior_std=1.0),
    ),
    (bounds.binary_gaussian, dict(n=10, dim=3, std=1.0, mean_norm=1.0)),
    (bounds.wasserstein, dict(x=X, y=Y)),
    (bounds.sliced_wasserstein, dict(key=KEY, x=X, y=Y)),
    (bounds.algorithmic_transport, dict(costs=PATHS, lipschitz=1.0)),
    (bounds.invert.phi, dict(i=0.1)),
    (bounds.invert.pair, dict(l=0.1, i=0.1)),
    (bounds.invert.js, dict(l=0.1, i=0.1)),
    (bounds.invert.ghost, dict(l=0.1, i=0.1, k=3)),
    (bounds.invert.kl_half, dict(l=0.1, i=0.1)),
    (bounds.depth_tv, dict(label_variation=NOISE, input_variation=NOISE, etas=[0.5])),
    (
        bounds.depth_examples,
        dict(label_information=NOISE, input_information=NOISE, etas=[0.5], sigma=0.5),
    ),
    (bounds.cluster_interval, dict(key=KEY, values=NOISE[:2], draws=10)),
    (bounds.binary_js, dict(train_error=0.1, information=0.1)),
    (bounds.variation_from_information, dict(information=0.1)),
    (bounds.label_deviation, dict(class_law=np.array([0.3, 0.7]), n=10)),
    (bounds.thermodynamic, dict(losses=NOISE, inverse_temperatures=np.arange(6.0), n=10)),
    (bounds.membership_upper, dict(ratios=PATHS, delta=0.1)),
    (bounds.stepwise_information, dict(energy=PATHS, ratios=PATHS)),
    (bounds.invert.kl, dict(q=0.1, c=0.1)),
    (bounds.invert.envelope, dict(i=0.1)),
    (bounds.invert.kl_gap, dict(q=0.1, c=0.1)),
    (mi.ksg, dict(x=X, y=Y, k=3)),
    (mi.cca, dict(x=X, y=Y)),
    (mi.gaussian_copula, dict(x=X, y=Y)),
    (mi.ross, dict(x=X, labels=LABELS, k=3)),
    (mi.mixed, dict(x=X, y=Y, k=3)),
    (mi.binned, dict(x=X, y=Y, bins=5)),
    (mi.plug_in, dict(x=LABELS, y=LABELS)),
    (mi.discrete, dict(joint=JOINT)),
    (mi.gaussian, dict(cov=np.eye(3), dim_x=1)),
    (mi.conditional_entropy, dict(joint=JOINT)),
    (mi.gaussian_entropy, dict(cov=np.eye(3))),
    (mi.gaussian_conditional, dict(cov=np.eye(3), dim_x=1, dim_y=1)),
    (mi.entropy, dict(law=np.array([0.5, 0.5]))),
    (mi.knn_entropy, dict(x=X, k=3)),
    (mi.conditional_ksg, dict(x=X, y=Y, z=X, k=3)),
    (mi.kde_bounds, dict(means=X, std=1.0)),
    (mi.sample_propagation, dict(key=KEY, means=X, std=1.0)),
    (mi.sliced, dict(key=KEY, x=X, y=Y)),
    (mi.known_conditional, dict(log_density=RNG.normal(size=(5, 5)))),
    (contraction.kl, dict(channel=CHANNEL)),
    (contraction.tv, dict(channel=CHANNEL)),
    (contraction.chi2, dict(input_law=np.array([0.5, 0.5]), channel=CHANNEL)),
    (contraction.binary, dict(first=0.1, second=0.2)),
    (contraction.erasure, dict(rate=0.2)),
    (contraction.symmetric, dict(error=0.1, categories=3)),
    (contraction.gaussian_noise, dict(diameter=1.0, std=1.0)),
    (contraction.dropout, dict(rate=0.1, units=4)),
    (contraction.jointly_gaussian, dict(cov=np.eye(3) + 0.1, dim_x=1)),
    (contraction.laplace_noise, dict(diameter=1.0, scale=1.0)),
    (contraction.uniform_noise, dict(shift=1.0, width=2.0)),
    (contraction.gaussian_noise_tv, dict(diameter=1.0, std=1.0)),
    (contraction.randomized_response, dict(eps=1.0)),
    (contraction.z_channel, dict(rate=0.1)),
    (contraction.poisson, dict(low=1.0, high=2.0)),
    (contraction.subsampling, dict(nothing_kept=0.5)),
    (contraction.kl_for_input, dict(input_law=np.array([0.5, 0.5]), channel=CHANNEL)),
    (contraction.diagnostics.chi2_information, dict(joint=JOINT)),
    (contraction.diagnostics.from_counts, dict(counts=10 * CHANNEL)),
    (contraction.dense_norm, dict(matrix=CHANNEL)),
    (bottleneck.ib, dict(joint=JOINT, beta=2.0)),
    (bottleneck.dual_ib, dict(joint=JOINT, beta=2.0)),
    (bottleneck.gaussian_ib, dict(cov_xy=np.eye(3) + 0.2, beta=5.0, dim_x=2)),
    (bottleneck.generalised_ib, dict(joint=JOINT, beta=2.0, alpha=0.5)),
    (bottleneck.deterministic_ib, dict(joint=JOINT, beta=2.0)),
    (bottleneck.critical_beta, dict(joint=JOINT)),
    (bottleneck.label_law, dict(y=LABELS, num_classes=2)),
    (bottleneck.plane, dict(activations={"layer": X}, labels=LABELS)),
    (infinite.mlp_kernels, dict(x1=X, depth=1, activation="relu", w_std=1.0, b_std=0.0)),
    (infinite.gaussian_frontier, dict(information=0.5, correlations=np.array([0.5, 0.8]))),
    (teacher.bayes_limits, dict(readout="sign", alpha=1.0, activation="tanh")),
    (teacher.rate_scale, dict(n=100, d=10, p=100)),
    (teacher.nngp_kernel, dict(x=X, activation="relu")),
    (teacher.kernel_information, dict(kernel=np.eye(3), noise=0.1)),
    (maxent.solve, dict(features=BITS, target=LABELS)),
    (maxent.total_correlation, dict(features=BITS, labels=LABELS)),
    (maxent.conditions, dict(features=X, labels=LABELS, key=KEY, width=8)),
    (data.supersample, dict(key=KEY, size=100, n=10, supersamples=2, masks=3)),
    (data.two_gaussians, dict(key=KEY, n=10, dim=2, separation=1.0)),
    (data.correlated_gaussians, dict(key=KEY, n=10, dim=2, correlation=0.5)),
]


LOOSE = {  # arrays of any length, beside which others need not be as long, or of any axes
    bounds.wasserstein: ("x", "y"),
    bounds.sliced_wasserstein: ("x", "y"),
    bounds.survival_split: ("joint",),
    bounds.negrea: ("variance",),
    bounds.null_gradient: ("second_moment",),
    bounds.li_luo_qiao: ("second_moment",),
    mi.entropy: ("law",),
    bounds.measured_information: ("values",),
}


@pytest.mark.parametrize(
    ("function", "arguments"), CALLS, ids=[f"{f.__module__[6:]}.{f.__name__}" for f, _ in CALLS]
)
def test_a_bad_argument_is_one_clear_error(function, arguments, answers):
    answers(function, arguments, LOOSE.get(function, ()))
