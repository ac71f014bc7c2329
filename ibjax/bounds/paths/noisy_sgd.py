"""Information a noisy-SGD trajectory can carry, from step sizes, noise and gradient norms."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp

from ibjax.bounds import checks, root
from ibjax.bounds.kinds import fitted, proved, together
from ibjax.interface import Estimate
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, JaxArray, Scalar

_FORMS = ("log", "linear")
_REASON = "infinite without noise or without a bound on the gradients: add noise, clip"


@enforced
def noisy_sgd_information(
    step_sizes: Float[Array, " T"],
    noise_stds: Float[Array, " T"],
    gradient_norm: Float[Array, " T"] | Scalar | Estimate,
    dim: int | Scalar,
    *,
    form: str = "log",
) -> Estimate:
    """Upper bound on I(S; W_1, ..., W_T) for updates with Gaussian noise.

    With updates ``W_{t+1} = W_t - eta_t g_t + s_t xi_t``, ``xi_t ~ N(0, I_d)``:

    log:    ``I <= sum_t (d/2) log(1 + eta_t^2 G_t^2 / (d s_t^2))``
    linear: ``I <= sum_t eta_t^2 G_t^2 / (2 s_t^2)``

    Each step is a Gaussian channel with power eta_t^2 G_t^2 given the weights before it; the
    chain rule adds the steps, and log(1 + x) <= x gives the linear form.

    Args:
        step_sizes: eta_t, (T,).
        noise_stds: standard deviation s_t of the noise added to the weights, (T,). No noise
            in a step that moves the weights gives inf.
        gradient_norm: bound G on the norm of the batch gradient (or the root of its second
            moment at each step), a number or (T,). Numbers are the caller's claim; a measured
            norm belongs into an `Estimate`, and the information is then not exact.
        dim: number of trained parameters d.
        form: "log" or "linear".

    Returns:
        An `Estimate` in nats with bias "up", exact for known norms.

    Assumes:
        Batches chosen independently of the data; noise added after clipping.

    Raises:
        ValueError: shapes that do not match, negative entries, dim < 1 or an unknown form.

    Reference:
        Pensia, Jog, Loh 2018, "Generalization error bounds for noisy, iterative algorithms";
        with E|g|^2 allowed in place of the squared Lipschitz constant.
    """
    steps, noise = checks.schedule(step_sizes, noise_stds)
    given = checks.quantity("gradient_norm", gradient_norm)
    norm = given.value
    if norm.ndim > 1 or (norm.ndim == 1 and norm.shape != steps.shape):
        raise ValueError(
            f"gradient_norm has shape {norm.shape}; give a number or one a step: {steps.shape}"
        )
    value = _path(steps, norm, noise, _dimension(dim, form), form)
    sure = together(fitted(given.confidence, ()))
    found = proved(value, "noisy_sgd_information", "sample", _REASON, confidence=sure)
    if given.kind == "certificate":
        return found
    return replace(found, std_error=jnp.full_like(value, jnp.nan), exact=False)


@enforced
def sample_information(
    step_sizes: Float[Array, " T"],
    noise_stds: Float[Array, " T"],
    clip: Scalar,
    batch_size: int | Scalar,
    n: int | Scalar,
    dim: int | Scalar,
    *,
    form: str = "log",
) -> Estimate:
    """Mean over examples of an upper bound on I(Z_i; W_1, ..., W_T | batches).

    log:    ``(b/n) sum_t (d/2) log(1 + eta_t^2 C^2 / (b^2 d s_t^2))``
    linear: ``(b/n) sum_t eta_t^2 C^2 / (2 b^2 s_t^2)``

    Given the batches, I(Z_i; W_{1:T}) <= I(Z_i; W_{1:T} | Z_j, j != i) by independence, and the
    chain rule leaves only the steps that use example i. There the other examples fix the drift
    up to eta_t g_i / b with |g_i| <= C: a Gaussian channel of power eta_t^2 C^2 / b^2. Each step
    uses b of the n examples, so the mean over examples weighs every step by b/n.

    Args:
        step_sizes: eta_t, (T,).
        noise_stds: standard deviation s_t of the noise added to the weights, (T,).
        clip: bound C on the norm of each per-example gradient; inf gives inf.
        batch_size: b, drawn without replacement; the update uses the mean over the batch.
        n: number of training examples.
        dim: number of trained parameters d.
        form: "log" or "linear".

    Returns:
        An `Estimate` in nats with bias "up", exact.

    Assumes:
        Independent examples; batches chosen independently of the data; a batch holds an example
        at most once; per-example clipping before the mean; noise added after it.

    Raises:
        ValueError: shapes that do not match, negative entries, b > n, dim < 1, unknown form.

    Reference:
        Bu, Zou, Veeravalli 2020, "Tightening mutual information-based bounds on generalization
        error" (SGLD with batches of one); the form for clipped batches is derived here.
    """
    steps, noise = checks.schedule(step_sizes, noise_stds)
    clip = checks.scalar("clip", clip, 0.0)
    batch_size, n = checks.whole("batch_size", batch_size), checks.whole("n", n)
    if checks.concrete(batch_size, n) and batch_size > n:
        raise ValueError(f"batch_size={batch_size} exceeds n={n}; give batch_size <= n")
    share = jnp.asarray(batch_size / n, steps.dtype)
    share = jnp.where(share > 1, jnp.nan, share)
    value = share * _path(steps, clip / batch_size, noise, _dimension(dim, form), form)
    return proved(value, "sample_information", "example", _REASON)


def _dimension(dim, form: str):
    checks.choice("form", form, _FORMS)
    return checks.whole("dim", dim)


@partial(jax.jit, static_argnames="form")
def _path(steps: JaxArray, norm: JaxArray, noise: JaxArray, dim, form: str) -> JaxArray:
    """Summed capacity in nats of the steps; a step of size zero carries nothing."""
    still = (steps == 0) | (norm == 0)
    silent = noise == 0
    # Inner wheres keep 0 * inf and 0 / 0 out of values and gradients.
    moved = steps * jnp.where(still, 0.0, norm) / jnp.where(silent, 1.0, noise)
    power = root.squarable(moved, still) ** 2
    capacity = 0.5 * dim * jnp.log1p(power / dim) if form == "log" else 0.5 * power
    return jnp.sum(jnp.where(silent & ~still, jnp.inf, capacity))
