"""PAC-Bayes with backprop: a prior learnt on one part of the data, a posterior on the other."""

from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ibjax import bounds
from ibjax.arguments import check_rate, whole
from ibjax.bounds.kinds import proved
from ibjax.interface import BoundValue, Dataset, Estimate, Network
from ibjax.posteriors.training import bounded_loss, descend, errors, flat, ready
from ibjax.signatures import enforced
from ibjax.typing import Key


class LearntPosterior(NamedTuple):
    """A Gaussian posterior over weights and what it certifies.

    Attributes:
        mean: posterior means, a pytree of the network's parameters.
        std: standard deviations, likewise.
        train_error: mean 0-1 error of draws on the certified part.
        train_error_upper: what it is at most, with probability 1 - delta_draws over the draws.
        divergence: KL(posterior || prior), nats, from known Gaussians.
        gap: PAC-Bayes bound on the gap of one draw, at the worst training error up to that limit.
        risk: bound on the test error itself, ``kl^-1`` at the limit: it rises in the training
            error, while the gap at the limit may be less than that at a smaller training error.
        size: number m of examples the certificate counts.
    """

    mean: Any
    std: Any
    train_error: float
    train_error_upper: float
    divergence: Estimate
    gap: BoundValue
    risk: BoundValue
    size: int


@enforced
def learn_posterior(
    key: Key,
    network: Network,
    dataset: Dataset,
    *,
    prior_fraction: float = 0.5,
    prior_std: float = 0.03,
    prior_steps: int = 1000,
    steps: int = 1000,
    batch: int = 128,
    learning_rate: float = 1e-3,
    delta: float = 0.025,
    delta_draws: float = 0.01,
    draws: int = 1000,
    smallest: float = 1e-4,
) -> LearntPosterior:
    r"""Train a Gaussian posterior over weights on its own PAC-Bayes bound.

    The data are split: the prior N(w_0, s_0^2 I) has its mean trained on a part S_0, by Adam or
    anything else; the posterior N(mu, diag s^2) is trained on the rest, S_1, m examples, by

    .. math:: f = \bigl(\sqrt{\hat L + k} + \sqrt k\bigr)^2, \qquad
        k = \frac{KL + \log(2 \sqrt m / \delta)}{2 m},

    L the clipped cross entropy scaled to [0, 1], with weights drawn anew in every step. The
    certificate is for the 0-1 error of one draw: M draws are scored on all of S_1, inverted with
    ``log(1/delta_draws)/M``, and `bounds.pac_bayes_kl` inverts again with the exact divergence.

    Args:
        key: of the split, the initial weights, batches and draws.
        network: any `networks` model without batch statistics.
        dataset: examples, drawn independently.
        prior_fraction: share of S_0; 0 takes the random initial weights as prior mean.
        prior_std: s_0, fixed without S_1; a grid of them needs log(its size) more.
        prior_steps: updates of the prior mean.
        steps: updates of the posterior.
        batch: examples an update.
        learning_rate: of Adam.
        delta: failure probability over S_1.
        delta_draws: failure probability over the draws.
        draws: M.
        smallest: probabilities below it are clipped in the training loss.

    Returns:
        A `LearntPosterior`; its certificate holds with probability 1 - delta - delta_draws,
        provided that nothing here was chosen by looking at it.

    Raises:
        ValueError: probabilities out of range, sizes that leave no example, batch statistics or a
            network that treats examples of a batch together, data it cannot take.

    Reference:
        Perez-Ortiz, Rivasplata, Shawe-Taylor, Szepesvari 2021, "Tighter risk certificates for
        neural networks"; Langford and Caruana 2001 for the two inversions, here one-sided.
    """
    check_rate("learning_rate", learning_rate)
    problem = ready(network, dataset)
    n = problem.y.shape[0]
    _check(prior_fraction, prior_std, delta, delta_draws)
    draws, steps = whole("draws", draws), whole("steps", steps)
    prior_steps, batch = whole("prior_steps", prior_steps, 0), whole("batch", batch)
    key_split, key_init, key_prior, key_post, key_draws = jax.random.split(key, 5)
    order = jax.random.permutation(key_split, n)
    first = round(prior_fraction * n)
    if first >= n:
        raise ValueError(f"prior_fraction={prior_fraction} leaves no example of {n} to certify on")
    learnt, seen = order[:first], order[first:]
    x, y, m = problem.x[seen], problem.y[seen], n - first
    training: dict[str, Any] = dict(batch=batch, learning_rate=learning_rate)

    def plain(params, a, b, _):
        return bounded_loss(problem.logits(params, a), b, smallest)

    prior = problem.network.init(key_init, jnp.zeros_like(problem.x[:1]))
    if first and prior_steps:
        where = problem.x[learnt], problem.y[learnt]
        prior = descend(plain, prior, *where, key_prior, steps=prior_steps, **training)

    raw = jax.tree.map(lambda w: jnp.full_like(w, np.log(np.expm1(prior_std))), prior)

    def objective(posterior, a, b, k, prior):
        mean, raw = posterior
        std = jax.tree.map(jax.nn.softplus, raw)
        loss = bounded_loss(problem.logits(draw(k, mean, std), a), b, smallest)
        cost = (_divergence(mean, std, prior, prior_std) + np.log(2 * m**0.5 / delta)) / (2 * m)
        return (jnp.sqrt(loss + cost) + jnp.sqrt(cost)) ** 2

    mean, raw = descend(objective, (prior, raw), x, y, key_post, prior, steps=steps, **training)
    std = jax.tree.map(jax.nn.softplus, raw)

    @jax.jit
    def score(mean, std, keys, x, y):
        return jax.lax.map(lambda k: errors(problem.logits(draw(k, mean, std), x), y), keys)

    each = score(mean, std, jax.random.split(key_draws, draws), x, y)
    rate = float(np.mean(np.asarray(each, float)))
    with jax.enable_x64(True):
        upper = float(bounds.invert.kl(rate, np.log(1 / delta_draws) / draws))
        known = bounds.gaussian_divergence(flat(mean), flat(std), flat(prior), prior_std)
        divergence = replace(known, exact=True)
        name = "upper limit on the training error"
        limit = proved(jnp.asarray(upper), name, "other", confidence=1 - delta_draws)
        gap = bounds.pac_bayes_kl(limit, divergence, m, delta=delta)
        risk = _risk(bounds.pac_bayes_kl(upper, divergence, m, delta=delta), upper)
        risk = replace(risk, confidence=gap.confidence)
    return LearntPosterior(mean, std, rate, upper, divergence, gap, risk, m)


def _check(prior_fraction: float, prior_std: float, delta: float, delta_draws: float) -> None:
    if not 0 <= prior_fraction < 1:
        raise ValueError(f"prior_fraction={prior_fraction} must lie in [0, 1)")
    for name, value in (("delta", delta), ("delta_draws", delta_draws)):
        if not 0 < value < 1:
            raise ValueError(f"{name}={value} is a failure probability; give one in (0, 1)")
    if not prior_std > 0:
        raise ValueError(f"prior_std={prior_std} must be positive")


def _risk(gap: BoundValue, upper: float) -> BoundValue:
    """The bound on the test error: kl^-1 at an upper limit, from that less the limit."""
    return replace(
        gap,
        value=gap.value + upper,
        vacuous=gap.value + upper >= 1,
        name="pac_bayes_backprop",
        note="test error of one draw from the posterior",
    )


@enforced
@jax.jit
def draw(key: Key, mean: Any, std: Any) -> Any:
    """One network of a Gaussian posterior: mean + std e, e standard normal.

    Args:
        key: of the normals.
        mean: posterior means, a pytree of parameters.
        std: standard deviations, likewise.

    Returns:
        Parameters, likewise.
    """
    leaves, tree = jax.tree.flatten(mean)
    keys = jax.tree.unflatten(tree, list(jax.random.split(key, len(leaves))))
    return jax.tree.map(
        lambda w, s, k: w + s * jax.random.normal(k, w.shape, w.dtype), mean, std, keys
    )


def _divergence(mean: Any, std: Any, prior: Any, prior_std: float):
    def one(w, s, w0):
        ratio = s / prior_std
        return jnp.sum((ratio**2 - 1 + ((w - w0) / prior_std) ** 2) / 2 - jnp.log(ratio))

    return sum(jax.tree.leaves(jax.tree.map(one, mean, std, prior)))
