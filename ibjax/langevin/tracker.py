"""Training runs with a few tracked slots: every path bound of noisy SGD from one pass.

Where the replica engine sets every example of a supersample against its one ghost, this follows
the first J examples of ordinary training sets, each against K - 1 ghosts, at a cost that depends
on J and not on n; and it knows momentum, preconditioners, a Gaussian prior and plain SGD.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.interface import Dataset
from ibjax.langevin import checks, ledger
from ibjax.langevin.config import Config, called, hyper, static
from ibjax.langevin.losses import check_loss
from ibjax.langevin.measured import step_arrays
from ibjax.langevin.prepared import network_of
from ibjax.langevin.replicas import Progress
from ibjax.langevin.tracked import Extra, Shape, programs
from ibjax.randomness import pinned, root_key
from ibjax.signatures import enforced
from ibjax.typing import Array, Int, Key

_SEGMENT = 50


class Track(NamedTuple):
    """What the runs spent, at each checkpoint; R runs, E checkpoints, J slots, K candidates.

    The sums are those of `ledger.Sums` with leading axes (R, E); a field that does not apply to
    the kind of run is NaN.

    Attributes:
        steps: updates done, (E,).
        train_loss: mean training loss on the training set, in nats for cross-entropy, (R, E).
        train_error: 0-1 error on the training set, (R, E); 1 once the weights are not finite.
        test_loss: the same on the test examples, (R, E).
        test_error: 0-1 error on the test examples, (R, E).
        sums: the accumulated information terms, in nats.
        weights: the last weights, flat, (R, d).
        diverged: whether weights or losses left the finite numbers, (R,).
    """

    steps: np.ndarray
    train_loss: np.ndarray
    train_error: np.ndarray
    test_loss: np.ndarray
    test_error: np.ndarray
    sums: ledger.Sums
    weights: np.ndarray
    diverged: np.ndarray


@enforced
def track(
    key: Key,
    config: Config,
    dataset: Dataset,
    train: Int[Array, "R n"],
    ghosts: Int[Array, "R J K_minus_1"],
    test: Int[Array, "R m"],
    *,
    checkpoints: tuple[int, ...] | None = None,
    momentum: float = 0.0,
    preconditioner: Any = None,
    prior_std: float | None = None,
    progress: Progress | None = None,
) -> Track:
    r"""Train R runs and account for what their paths reveal about J slots each.

    One step is, with diagonal P (1 by default) and momentum mu (0 by default),

    .. math:: v_t = \mu v_{t-1} + g_t,\quad
              W \leftarrow W - \eta_t P (v_t + W/(\beta_t s_0^2)) + s_t P^{1/2} \xi_t,\quad
              s_t = \sqrt{2 \eta_t / \beta_t}.

    The term of the prior N(0, s_0^2) is there where `prior_std` is given, and W starts at a draw
    of it. It does not depend on the data, so it cancels in every difference of drifts; along one
    path the drift under another candidate differs by the P^{1/2}-scaled buffer
    d_t = mu d_{t-1} + (m/b)(g' - g), in which the transitions stay exact Gaussians.

    Args:
        key: root key; run r uses ``fold_in(key, r)``, or all the same with shared randomness.
        config: the training; optimizer sgld, or sgd (then only `dispersion` is accounted for).
        dataset: the pool.
        train: positions of the training sets; the first J of each are tracked.
        ghosts: positions of the unused candidates of the tracked slots, K - 1 each.
        test: positions of examples to evaluate on.
        checkpoints: updates done at each evaluation, increasing; the end by default.
        momentum: mu in [0, 1), of heavy-ball momentum without noise in the buffer.
        preconditioner: positive numbers chosen without the data: a pytree like the parameters,
            or a flat array (d,).
        prior_std: s_0, or None.
        progress: told how many replica-steps are done.

    Returns:
        A `Track` of NumPy arrays. Memory does not depend on the number of steps.

    Assumes:
        Examples iid; batches chosen without the data; ghosts and test examples outside the
        training set. Batches may be full, in epochs, fixed, with or without replacement or
        Poisson; `hidden` is for Poisson batches without momentum only.

    Raises:
        ValueError: where a theorem breaks or shapes disagree, by name: layer noise, batch
            statistics, ghosts or test examples in the training set; and for data, networks,
            losses and schedules as `run_replicas`.
    """
    with pinned():
        key = root_key(key)
        x, y = checks.pool_arrays(dataset, config.network)
        given = {"train": train, "ghosts": ghosts, "test": test}
        train, ghosts, test = (checks.positions(name, a) for name, a in given.items())
        network = _checked(config, dataset, x, train, ghosts, test, momentum)
        step_arrays(config)  # refuses schedules that leave the numbers a step may have
        stops = (config.steps,) if checkpoints is None else tuple(int(c) for c in checkpoints)
        if list(stops) != sorted(set(stops)) or stops[0] < 0 or stops[-1] > config.steps:
            raise ValueError(f"checkpoints={stops} must increase within 0..steps={config.steps}")
        root: Any = _root(preconditioner, network, x)
        if prior_std is not None and not prior_std > 0:
            raise ValueError(f"prior_std={prior_std} must be positive, or None")
        extra = Extra(jnp.float32(momentum), root, jnp.float32(prior_std or 0.0))
        shape = Shape(
            train.shape,
            ghosts.shape,
            test.shape[1],
            x.shape,
            dataset.num_classes,
            momentum > 0,
            preconditioner is not None,
            prior_std is not None,
            x.dtype.name,
        )
        return _run(key, config, x, y, train, ghosts, test, stops, shape, extra, progress)


def _run(key, config, x, y, train, ghosts, test, stops, shape, extra, progress) -> Track:
    runs = train.shape[0]
    chunk = min(config.replicas_per_chunk or runs, runs)
    shape = shape._replace(train=(chunk, train.shape[1]), ghosts=(chunk, *ghosts.shape[1:]))
    init, advance, evaluate = programs(static(config), shape)
    values = jax.tree.map(jnp.float32, hyper(config))
    x, y = jnp.asarray(x), jnp.asarray(y)
    each = jnp.zeros(runs, jnp.int32) if config.shared_randomness else jnp.arange(runs)
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, each)
    parts, done = [], 0
    for first in range(0, runs, chunk):
        rows = np.minimum(np.arange(first, first + chunk), runs - 1)
        some = (keys[rows], values, extra, train[rows], ghosts[rows], test[rows], x, y)
        state, step, measured = init(*some), 0, []
        for stop in stops:
            while step < stop:
                until = min(step + _SEGMENT, stop)
                state = advance(state, jnp.int32(step), jnp.int32(until), *some)
                done += (until - step) * chunk
                step = until
                if progress is not None:
                    jax.block_until_ready(state.weights)
                    progress(done, runs * stops[-1])
            measured.append(jax.device_get(evaluate(state, *some)))
        together = jax.tree.map(lambda *a: np.stack(a, axis=1), *measured)
        keep = min(chunk, runs - first)
        pair = (together, np.asarray(state.weights))
        kept = jax.tree.map(lambda a, keep=keep: np.asarray(a)[:keep], pair)
        parts.append(kept)
    joined: Any = jax.tree.map(lambda *a: np.concatenate(a), *parts)
    (losses, sums), weights = joined
    if config.optimizer == "sgd":
        nothing = jax.tree.map(lambda a: np.full_like(a, np.nan), sums)
        sums = nothing._replace(dispersion=sums.dispersion)
    if config.drawn != "poisson" or shape.momentum:
        sums = sums._replace(hidden=np.full_like(sums.hidden, np.nan))
    if shape.momentum:
        sums = sums._replace(variance=np.full_like(sums.variance, np.nan))
    finite = np.isfinite(weights).all(1) & np.isfinite(losses).all((1, 2))
    curves = (losses[..., i] for i in range(4))
    return Track(np.asarray(stops), *curves, sums=sums, weights=weights, diverged=~finite)


def _root(preconditioner: Any, network: Any, x: np.ndarray) -> Any:
    """Square root of the preconditioner, flat; 1 where there is none."""
    if preconditioner is None:
        return jnp.ones(())
    sizes = jax.eval_shape(network.init, jax.random.key(0), x[:1])
    dim = sum(int(np.prod(s.shape)) for s in jax.tree.leaves(sizes))
    leaves = jax.tree.leaves(preconditioner)
    if len(leaves) > 1:
        pairs = zip(leaves, jax.tree.leaves(sizes))
        leaves = [np.broadcast_to(np.asarray(v), s.shape).ravel() for v, s in pairs]
    flat = np.concatenate([np.ravel(v) for v in leaves])
    if flat.shape != (dim,) or not (flat > 0).all() or not np.isfinite(flat).all():
        raise ValueError(
            f"preconditioner has {flat.size} numbers; give {dim} finite positive ones, chosen "
            "without the data, or a pytree like the parameters"
        )
    return jnp.sqrt(jnp.asarray(flat, jnp.float32))


def _checked(config, dataset, x, train, ghosts, test, momentum):
    if config.optimizer not in ("sgld", "sgd"):
        raise ValueError(
            f"optimizer={called(config.optimizer)} cannot be tracked: its drift is not linear in "
            "the gradients; give sgld with momentum= or preconditioner= instead"
        )
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum={momentum} must lie in [0, 1)")
    if train.ndim != 2 or train.shape[1] < 2:
        raise ValueError(f"train has shape {train.shape}; give (runs, n) with n >= 2")
    runs, n = train.shape
    if ghosts.ndim != 3 or ghosts.shape[0] != runs or not 1 <= ghosts.shape[1] <= n:
        raise ValueError(
            f"ghosts has shape {ghosts.shape}; give ({runs}, slots <= {n}, candidates - 1)"
        )
    if ghosts.shape[2] < 1 or test.ndim != 2 or test.shape[0] != runs or test.shape[1] < 1:
        raise ValueError(
            f"ghosts {ghosts.shape} or test {test.shape} is empty or has other runs than {runs}"
        )
    size = len(dataset.y)
    for name, rows in (("train", train), ("ghosts", ghosts), ("test", test)):
        if rows.min() < 0 or rows.max() >= size:
            raise ValueError(f"{name} reaches beyond the {size} examples of {dataset.name!r}")
        outside = name == "train"
        if not outside and any(np.isin(r, t).any() for r, t in zip(rows, train)):
            raise ValueError(f"{name} holds training examples of its run; draw them apart")
    checks.check_distinct("train", train, "run")
    check_loss(config.loss, dataset.num_classes)
    network = network_of(config.network, int(dataset.num_classes), x.shape[1:], x.dtype.name)
    if network.batch_statistics is not None:
        raise ValueError(
            "network has batch statistics: its examples share them, so none has a gradient of its "
            "own, and the running ones leave through no noise; use GroupNorm, LayerNorm or none"
        )
    if network.stochastic:
        raise ValueError(
            "network has layer noise, under which a gradient is no function of its example; "
            "set noise=0, or use run_replicas with account=True"
        )
    return network
