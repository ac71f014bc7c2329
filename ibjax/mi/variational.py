"""Mutual information by training a critic: one pure function of the key."""

from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp

from ibjax.arguments import check_rate, whole
from ibjax.interface import Estimate
from ibjax.mi.checks import estimate, pair
from ibjax.mi.copies import LISTED_AGAIN, drawn_apart
from ibjax.mi.critics import Critic, critic
from ibjax.mi.objectives import Objective, objectives, weighted_error
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, JaxArray, Key


class _State(NamedTuple):
    key: Any
    params: Any
    moments: Any
    average: JaxArray
    best: JaxArray
    best_params: Any
    stale: JaxArray
    round: JaxArray


@enforced
def neural(
    key: Key,
    x: Float[Array, "n dx"],
    y: Float[Array, "n dy"],
    objective: str = "infonce",
    *,
    critic: Literal["separable", "joint"] = "separable",
    widths: tuple[int, ...] = (64, 64),
    steps: int = 2000,
    batch: int = 128,
    learning_rate: float = 1e-3,
    every: int = 100,
    patience: int = 5,
    tau: float = 5.0,
    alpha: float = 0.5,
    momentum: float = 0.99,
) -> Estimate:
    """Variational estimate with a trained critic, on samples that it has not seen.

    Half of the samples train, a fifth stops the training early and picks the best checkpoint, the
    rest measures. All of it is one compiled function: a sweep is `vmap` over keys and samples.

    Args:
        key: for the split, the initial critic and the batches.
        x: samples, (n,) or (n, dx).
        y: samples, (n,) or (n, dy).
        objective: "dv", "mine", "nwj", "js" (trained as a classifier, measured as nwj),
            "infonce", "interpolated", "smile"; or "club" and "leave_one_out", for which a
            Gaussian q(y|x) is fitted by likelihood; or "doe", the difference of the entropies of
            a fitted q(y) and q(y|x), mixtures of Gaussians both. See `objectives`.
        critic: "separable" or "joint"; not used by the last three.
        widths: hidden layers.
        steps: of Adam, at most.
        batch: matched pairs a step; batch^2 scores.
        learning_rate: of Adam; traced, so that sweeping it does not compile again.
        every: steps between two looks at the validation samples.
        patience: looks without improvement before stopping.
        tau: clip of "smile".
        alpha: of "interpolated", 0 (nwj) to 1 (InfoNCE).
        momentum: of the moving average of "mine".

    Returns:
        Nats, unclamped. The bias is "down" for bounds that hold on held-out samples in
        expectation: nwj, js, infonce (at most the logarithm of the samples measured at once,
        1024 or fewer, 512 for a joint critic), interpolated; "unknown" for the rest. Not ok where
        training left the finite numbers, an input is constant, or samples are listed more than
        once: some of a kind then train and others measure.

    Raises:
        ValueError: for unknown names, fewer than 20 samples, settings below 1, or a learning rate
            that is not positive.

    Reference:
        See `objectives`; the three-way split in place of reporting the best validation value is a
        choice made here.
    """
    both = pair(x, y, "standardise")
    n = both.x.shape[0]
    known = objectives()
    if objective not in known:
        raise ValueError(f"objective={objective!r} is unknown; choose one of {sorted(known)}")
    if critic not in ("separable", "joint"):
        raise ValueError(f"critic={critic!r} is unknown; give 'separable' or 'joint'")
    if n < 20:
        raise ValueError(f"x holds {n} samples; give at least 20, to train, to stop, to measure")
    steps, every, patience = (
        whole(name, count)
        for name, count in (("steps", steps), ("every", every), ("patience", patience))
    )
    batch = whole("batch", batch, 3)
    check_rate("learning_rate", learning_rate)
    options = {"tau": tau, "alpha": alpha, "momentum": momentum, "learning_rate": learning_rate}
    needed = known[objective].critic
    kind = critic if needed == "ratio" else needed
    settings = (objective, kind, tuple(widths), -(-steps // every), min(batch, n // 2), every)
    found = _train(key, *both.on_device(), options, settings, patience)
    reason = "training left the finite numbers, or constant inputs: lower the learning rate"
    reason += f", or {LISTED_AGAIN}, of which some train and some measure"
    found = *found[:2], found[2] & drawn_apart(both.x, both.y)
    name = f"neural_{objective}"
    return estimate(found, both.dtype, both.sound, known[objective].bias, name, reason)


@partial(jax.jit, static_argnums=(4, 5))
def _train(key: Key, x: JaxArray, y: JaxArray, options: Any, settings: Any, patience: int):
    import optax
    from jax.flatten_util import ravel_pytree

    name, kind, widths, rounds, batch, every = settings
    objective = objectives()[name]
    n = x.shape[0]
    key_split, key_init, key_batches = jax.random.split(key, 3)
    order = _shuffled(key_split, n)
    train, stop, measure = order[: n // 2], order[n // 2 : (7 * n) // 10], order[(7 * n) // 10 :]
    varied = jnp.any(x != x[:1]) & jnp.any(y != y[:1])
    x, y = _standardise(x, x[train]), _standardise(y, y[train])
    x_train, y_train = x[train], y[train]
    model = critic(kind, x.shape[1], y.shape[1], widths, x.dtype)
    optimiser = optax.scale_by_adam()

    def loss(params, average, xs, ys):
        value, average = objective.train(model.scores(whole(params), xs, ys), average, options)
        return -value, average

    def step(carry, chosen):
        params, moments, average = carry
        gradient, average = jax.grad(loss, has_aux=True)(
            params, average, x_train[chosen], y_train[chosen]
        )
        update, moments = optimiser.update(gradient, moments)
        return (params - options["learning_rate"] * update, moments, average), None

    def look(state: _State) -> _State:
        key, now = jax.random.split(state.key)
        carry = (state.params, state.moments, state.average)
        # passes through the samples in one new order a round; no batch holds a sample twice
        size = train.shape[0]
        places = (jnp.arange(every)[:, None] * batch + jnp.arange(batch)) % size
        batches = _shuffled(now, size)[places]
        (params, moments, average), _ = jax.lax.scan(step, carry, batches)
        seen = _validate(objective, model, whole(params), x[stop], y[stop], options)
        better = seen > state.best  # False for NaN
        return _State(
            key,
            params,
            moments,
            average,
            jnp.where(better, seen, state.best),
            jnp.where(better, params, state.best_params),
            jnp.where(better, 0, state.stale + 1),
            state.round + 1,
        )

    # one vector: an update, and its compilation, for all weights together
    params, whole = ravel_pytree(model.init(key_init))
    worst = jnp.array(-jnp.inf, x.dtype)
    start = _State(
        key_batches,
        params,
        optimiser.init(params),
        worst,
        worst,
        params,
        jnp.array(0),
        jnp.array(0),
    )
    state = jax.lax.while_loop(lambda s: (s.round < rounds) & (s.stale < patience), look, start)
    best = whole(state.best_params)
    value, error = _evaluate(objective, model, best, x[measure], y[measure], options)
    ok = jnp.isfinite(value) & ~jnp.isinf(error) & jnp.isfinite(state.best) & varied
    return value, error, ok


def _validate(objective: Objective, model: Critic, params, x, y, options) -> JaxArray:
    """What early stopping increases: the likelihood of densities, or the objective itself."""
    if objective.critic != "ratio":
        return jnp.mean(jax.vmap(lambda a, b: model.scores(params, a[None], b[None]))(x, y))
    return jnp.mean(_by_blocks(objective.value, model, params, x, y, options))


def _evaluate(objective: Objective, model: Critic, params, x, y, options):
    def both(scores, uniform, options):
        value = objective.value(scores, uniform, options)
        return value, weighted_error(objective.value, scores, options)

    values, variances = _by_blocks(both, model, params, x, y, options)
    return jnp.mean(values), jnp.sqrt(jnp.mean(variances) / values.shape[0])


def _by_blocks(function, model: Critic, params, x, y, options):
    """A function of the scores of each block of samples: no matrix is larger than one squared."""
    size = min(model.at_once, x.shape[0])
    blocks = x.shape[0] // size
    xs = x[: blocks * size].reshape(blocks, size, -1)
    ys = y[: blocks * size].reshape(blocks, size, -1)
    uniform = jnp.full(size, 1 / size, x.dtype)

    def one(samples):
        return function(model.scores(params, *samples), uniform, options)

    return jax.lax.map(one, (xs, ys))


def _shuffled(key: Key, n: int) -> JaxArray:
    # one sort; jax.random.permutation sorts several times and compiles longer
    return jnp.argsort(jax.random.uniform(key, (n,)))


def _standardise(v: JaxArray, seen: JaxArray) -> JaxArray:
    spread = jnp.std(seen, axis=0)
    return (v - jnp.mean(seen, axis=0)) / jnp.where(spread > 0, spread, 1.0)
