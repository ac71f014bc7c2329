"""Training runs with a few tracked slots: every path bound of noisy SGD from one pass.

Where the replica engine sets every example of a supersample against its one ghost, this follows
the first J examples of ordinary training sets, each against K - 1 ghosts, at a cost that depends
on J and not on n; and it knows momentum, preconditioners, a Gaussian prior and plain SGD.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ibjax import arguments
from ibjax.interface import Dataset
from ibjax.langevin import checks, engine, ledger
from ibjax.langevin.config import Config, called, hyper
from ibjax.langevin.engine import Progress
from ibjax.langevin.marks import check_marks
from ibjax.langevin.measured import step_arrays
from ibjax.langevin.prepared import as_now, network_of
from ibjax.langevin.tracked import Extra, Followed
from ibjax.randomness import pinned, root_key
from ibjax.signatures import enforced
from ibjax.typing import Array, Int, Key

_LEAST, _MOST = 1e-18, 1e18
"""Numbers whose squares, and the inverse of these, float32 holds."""


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
    d_t = mu d_{t-1} + (m/b)(g' - g), in which the transitions stay exact Gaussians. So they do
    where each step starts from weights projected to a ball (`Config.radius`, without the above):
    one map whatever the data, after which the same Gaussians follow.

    Args:
        key: root key; run r uses ``fold_in(key, r)``, or all the same with shared randomness.
        config: the training; optimizer sgld, or sgd (then only `dispersion` is accounted for).
        dataset: the pool.
        train: positions of the training sets; the first J of each are tracked.
        ghosts: positions of the unused candidates of the tracked slots, K - 1 each.
        test: positions of examples to evaluate on.
        checkpoints: updates done at each evaluation, increasing; those of `config` by default.
        momentum: mu in [0, 1), of heavy-ball momentum without noise in the buffer.
        preconditioner: positive numbers chosen without the data: a pytree like the parameters,
            or a flat array (d,).
        prior_std: s_0, or None.
        progress: told how many replica-steps are done.

    Returns:
        A `Track` of NumPy arrays. Memory does not depend on the number of steps.

    Assumes:
        Examples iid; batches chosen without the data; ghosts and test examples outside the
        training set, the ghosts of a slot all different. Batches may be full, in epochs, fixed,
        with or without replacement or Poisson; `hidden` is for Poisson batches without momentum
        only.

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
        config = as_now(config, int(dataset.num_classes), x)
        plain = momentum == 0 and preconditioner is None and prior_std is None
        network = _checked(config, dataset, x, train, ghosts, test, momentum, plain)
        step_arrays(config)  # refuses schedules that leave the numbers a step may have
        stops = config.stops if checkpoints is None else checkpoints
        stops = tuple(arguments.whole("checkpoints", c, 0) for c in stops)
        if not stops or list(stops) != sorted(set(stops)) or stops[-1] > config.steps:
            raise ValueError(f"checkpoints={stops} must increase within 0..steps={config.steps}")
        if prior_std is not None and not _LEAST <= prior_std <= _MOST:
            raise ValueError(
                f"prior_std={prior_std} must be positive, with a square in float32, or None"
            )
        dim = _dim(network, x)
        root: Any = _root(preconditioner, network, x, dim)
        kind = Followed(
            n=train.shape[1],
            ghosts=ghosts.shape[1:],
            test=test.shape[1],
            momentum=momentum > 0,
            scaled=preconditioner is not None,
            prior=prior_std is not None,
            dim=dim,
        )
        runs = np.zeros(len(train), int) if config.shared_randomness else np.arange(len(train))
        values = jax.tree.map(jnp.float32, hyper(config))
        replicas = engine.Replicas(
            kind,
            jax.vmap(jax.random.fold_in, (None, 0))(key, runs),
            (train, ghosts, test),
            Extra(values, jnp.float32(momentum), root, jnp.float32(prior_std or 0.0)),
        )
        got = engine.train(
            config, replicas, x, y, dataset.num_classes, stops, weights=True, progress=progress
        )
        return _told(config, kind, stops, got)


def _told(config: Config, kind: Followed, stops: tuple[int, ...], got: engine.Trained) -> Track:
    """What was measured; NaN where it does not apply to the kind of run."""
    losses, weights = got.measured.losses, np.asarray(got.last)
    sums = ledger.Sums(**got.measured.sums)
    missing = set(sums._fields) - {"dispersion"} if config.optimizer == "sgd" else set()
    if config.drawn != "poisson" or kind.momentum:
        missing.add("hidden")
    if kind.momentum:
        missing |= {"variance", "dispersion"}
    nothing = {name: np.full_like(getattr(sums, name), np.nan) for name in missing}
    finite = np.isfinite(weights).all(1) & np.isfinite(losses).all((1, 2))
    curves = (losses[..., i] for i in range(4))
    return Track(
        np.asarray(stops), *curves, sums=sums._replace(**nothing), weights=weights, diverged=~finite
    )


def _dim(network: Any, x: np.ndarray) -> int:
    sizes = jax.eval_shape(network.init, jax.random.key(0), x[:1])
    return sum(int(np.prod(s.shape)) for s in jax.tree.leaves(sizes))


def _root(preconditioner: Any, network: Any, x: np.ndarray, dim: int) -> Any:
    """Square root of the preconditioner, flat; 1 where there is none."""
    if preconditioner is None:
        return jnp.ones(())
    sizes = jax.eval_shape(network.init, jax.random.key(0), x[:1])
    leaves = [arguments.host("preconditioner", leaf) for leaf in jax.tree.leaves(preconditioner)]
    if len(leaves) > 1:
        pairs = zip(leaves, jax.tree.leaves(sizes))
        leaves = [np.broadcast_to(np.asarray(v), s.shape).ravel() for v, s in pairs]
    flat = np.concatenate([np.ravel(v) for v in leaves] or [np.zeros(0)])
    do = f"give {dim} positive ones, chosen without the data, or a pytree like the parameters"
    if flat.shape != (dim,):
        raise ValueError(f"preconditioner has {flat.size} numbers; {do}")
    wrong = flat[~((flat >= _LEAST**2) & (flat <= _MOST**2))]
    if wrong.size:
        raise ValueError(
            f"preconditioner holds {wrong[0]:g}, of {flat.size} numbers; {do}, that are in float32"
        )
    return jnp.sqrt(jnp.asarray(flat, jnp.float32))


def _checked(config, dataset, x, train, ghosts, test, momentum, plain):
    if config.optimizer not in ("sgld", "sgd"):
        raise ValueError(
            f"optimizer={called(config.optimizer)} cannot be tracked: its drift is not linear in "
            "the gradients; give sgld with momentum= or preconditioner= instead"
        )
    if config.account:
        raise ValueError(
            "account=True: the account of pairs is kept by run_replicas; track keeps that of its "
            "slots in any case; set account=False"
        )
    if config.stop_error is not None:
        raise ValueError(
            f"stop_error={config.stop_error:g}: a stopping time that looks at the data is no part "
            "of the account; set stop_error=None"
        )
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum={momentum} must lie in [0, 1)")
    if config.radius is not None and not plain:
        raise ValueError(
            f"radius={config.radius:g} with momentum, a preconditioner or a prior: projection to a "
            "ball is for plain noisy steps; set radius=None, or leave these out"
        )
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
    # the example used must have been as likely as any other candidate to be the one
    checks.check_distinct("ghosts", ghosts.reshape(-1, ghosts.shape[2]), "slot")
    described = (int(dataset.num_classes), x.shape[1:], x.dtype.name, config.scalars)
    network = network_of(config.network, *described, claims=True)
    check_marks(network, jax.eval_shape(network.init, jax.random.key(0), x[:1]), hyper(config))
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
