"""Finite networks: the empirical tangent kernel in chunks, and training of the linearisation."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from ibjax.infinite import checks
from ibjax.infinite.spectrum import decompose, memory
from ibjax.infinite.tiles import tiled
from ibjax.signatures import enforced
from ibjax.typing import Float, JaxArray, Numbers

Apply = Callable[[Any, Any], JaxArray]


@enforced
def empirical_ntk(
    apply: Apply,
    params: Any,
    x1: Numbers,
    x2: Numbers | None = None,
    *,
    chunk: int = 16,
    outputs: str = "mean",
) -> Float[JaxArray, "n1 n2 ..."]:
    r"""The tangent kernel of a finite network, <dz_k(x)/dtheta, dz_l(x')/dtheta>.

    Args:
        apply: ``(params, x) -> z`` with z (n, k) for a batch x; for a flax module,
            ``lambda p, x: module.apply(p, x)``.
        params: any pytree of floating-point arrays.
        x1: (n1, ...).
        x2: (n2, ...); None for x1 against itself, blocks above the diagonal only.
        chunk: examples whose Jacobians are alive at once: 2 chunk k P numbers for P parameters.
        outputs: "mean" averages the diagonal over the k output units, (n1, n2); "full" keeps
            them, (n1, n2, k, k).

    Returns:
        The kernel; it does not depend on `chunk` beyond rounding.

    Raises:
        ValueError: an unknown `outputs`, a chunk below 1, outputs that are not (n, k).

    Reference: Jacot, Gabriel and Hongler (2018), Neural tangent kernel; as published.
    """
    if outputs not in ("mean", "full"):
        raise ValueError(f"outputs = {outputs!r} is unknown; use 'mean' or 'full'")
    if not isinstance(chunk, int) or chunk < 1:
        raise ValueError(f"chunk = {chunk} must be a positive integer")
    first = checks.inexact(x1, "x1")
    second = first if x2 is None else checks.inexact(x2, "x2")
    out = jax.eval_shape(apply, params, first)
    if out.ndim != 2 or out.shape[0] != first.shape[0]:
        raise ValueError(f"apply returns shape {out.shape}; give (examples, outputs)")

    def jacobian(x: JaxArray) -> list[JaxArray]:
        one = jax.vmap(jax.jacrev(lambda p, e: apply(p, e[None])[0]), in_axes=(None, 0))
        return [leaf.reshape(*leaf.shape[:2], -1) for leaf in jax.tree.leaves(one(params, x))]

    def product(a, b):
        form = "akp,bkp->ab" if outputs == "mean" else "akp,blp->abkl"
        left, right = jacobian(a), jacobian(b)
        total = sum(
            jnp.einsum(form, u, v, precision=jax.lax.Precision.HIGHEST)
            for u, v in zip(left, right, strict=True)
        )
        return total / out.shape[1] if outputs == "mean" else total

    size = min(chunk, max(first.shape[0], second.shape[0]))

    def mirror(part):
        part = jnp.swapaxes(part, 1, 2)
        return part if outputs == "mean" else jnp.swapaxes(part, 3, 4)

    return tiled(product, first, None if x2 is None else second, size, mirror)


@enforced
def linearise(apply: Apply, params: Any) -> Apply:
    """The first-order expansion of a network in its parameters around `params`.

    Args:
        apply: ``(params, x) -> z``.
        params: where to expand.

    Returns:
        ``(new_params, x) -> z``, linear in new_params; no Jacobian is formed.
    """

    def linear(new: Any, x: Any) -> JaxArray:
        step = jax.tree.map(lambda a, b: a - b, new, params)
        value, change = jax.jvp(lambda p: apply(p, x), (params,), (step,))
        return value + change

    return linear


@enforced
def linearised_flow(
    apply: Apply,
    params: Any,
    x_train: Numbers,
    y: Numbers,
    x_test: Numbers,
    times: Numbers,
    *,
    chunk: int = 16,
) -> Float[JaxArray, "t m k"]:
    r"""Test outputs of the linearised finite network under gradient flow on squared loss.

    z(x, tau) = z_0(x) + Theta(x, X) Theta^-1 (1 - exp(-tau Theta)) (Y - z_0(X)) with the
    empirical Theta at `params`, all output units coupled.

    Args:
        apply: ``(params, x) -> z`` with z (n, k).
        params: the initial parameters.
        x_train: (n, ...).
        y: (n,) or (n, k).
        x_test: (m, ...).
        times: gradient-flow times for the summed loss; infinity allowed.
        chunk: examples whose Jacobians are alive at once: 2 chunk k P numbers for P parameters.

    Returns:
        (times, m, k).

    Raises:
        ValueError: as `empirical_ntk`; targets that do not match the outputs.

    Reference: Lee et al. (2019), Wide neural networks of any depth evolve as linear models.
    """
    train, test = checks.inexact(x_train, "x_train"), checks.inexact(x_test, "x_test")
    targets, grid = checks.targets(y, train.shape[0], "y"), checks.time_grid(times)
    start, goal = apply(params, train), apply(params, test)
    if start.shape != targets.shape:
        raise ValueError(f"y has shape {targets.shape} but the network gives {start.shape}")

    def flat(kernel):
        a, b, k, _ = kernel.shape
        return kernel.transpose(0, 2, 1, 3).reshape(a * k, b * k)

    own = flat(empirical_ntk(apply, params, train, chunk=chunk, outputs="full"))
    cross = flat(empirical_ntk(apply, params, test, train, chunk=chunk, outputs="full"))
    values, vectors, _ = decompose(own)
    residual = vectors.T @ (targets - start).reshape(-1)

    def at(time):
        return goal + (cross @ (vectors @ (memory(values, time) * residual))).reshape(goal.shape)

    return jax.lax.map(at, grid.astype(values.dtype))
