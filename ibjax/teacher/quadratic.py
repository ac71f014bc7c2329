"""Bayes-optimal limits of wide two-layer teachers when examples grow like the squared dimension."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.arguments import concrete
from ibjax.signatures import enforced
from ibjax.teacher.checks import choice, real
from ibjax.teacher.free_convolution import ROW_READOUTS, RowReadout
from ibjax.teacher.hermite_parts import HermiteParts, hermite_parts
from ibjax.teacher.priors import PRIORS, PriorName
from ibjax.teacher.quadratic_branches import specialised_branch, universal_branch
from ibjax.typing import Float, Int, Numbers
from ibjax.typing import JaxArray as Array


@partial(
    jax.tree_util.register_dataclass,
    data_fields=[
        "q2",
        "q_w",
        "mmse",
        "generalization_error",
        "mi_per_parameter",
        "mi_per_sample",
        "branch",
        "q2_universal",
        "mmse_universal",
        "mi_universal",
        "q2_specialised",
        "q_w_specialised",
        "mmse_specialised",
        "mi_specialised",
    ],
    meta_fields=["status"],
)
@dataclass(frozen=True)
class QuadraticLimits:
    """The equilibrium branch at n = alpha d^2 and both candidates; information in nats.

    Attributes:
        q2: overlap with the quadratic part W^T diag(v) W.
        q_w: overlap with each row of W; 0 on the universal branch.
        mmse: Bayes error on the noiseless output.
        generalization_error: on a fresh noisy one, mmse + noise.
        mi_per_parameter: I(W; data) / (k d).
        mi_per_sample: I(W; data) / n.
        branch: 0 universal, 1 specialised.
        q2_universal: overlap of the universal branch, which algorithms reach.
        mmse_universal: its error.
        mi_universal: information per parameter on it.
        q2_specialised: of the best specialised solution; with no row found its rows are q_w = 0.
        q_w_specialised: its overlap with each row.
        mmse_specialised: its error.
        mi_specialised: information per parameter on it.
        status: what is proved.
    """

    q2: Float[Array, "*alpha"]
    q_w: Float[Array, "*alpha"]
    mmse: Float[Array, "*alpha"]
    generalization_error: Float[Array, "*alpha"]
    mi_per_parameter: Float[Array, "*alpha"]
    mi_per_sample: Float[Array, "*alpha"]
    branch: Int[Array, "*alpha"]
    q2_universal: Float[Array, "*alpha"]
    mmse_universal: Float[Array, "*alpha"]
    mi_universal: Float[Array, "*alpha"]
    q2_specialised: Float[Array, "*alpha"]
    q_w_specialised: Float[Array, "*alpha"]
    mmse_specialised: Float[Array, "*alpha"]
    mi_specialised: Float[Array, "*alpha"]
    status: str = ""


STATUS = (
    "conjectured: replica method; parts are proved for the quadratic activation, others are an "
    "effective theory in the words of its authors; no certificate"
)


@enforced
def quadratic_limits(
    activation: str | Callable | Sequence[float],
    alpha: Numbers,
    *,
    width_ratio: Numbers,
    noise: Numbers,
    readout: RowReadout = "ones",
    prior: PriorName = "gaussian",
) -> QuadraticLimits:
    r"""Solve the Bayes-optimal learning of a two-layer teacher from n = alpha d^2 examples.

    Teacher ``y = v . phi(W x / sqrt d) / sqrt k + sqrt(noise) z`` of k = gamma d hidden
    units, W of independent entries, v known. Constant and linear parts are then known; the
    quadratic part S_2 = W^T diag(v) W is denoised as a matrix; higher degrees act as noise until
    rows of W are found. Universal branch:

    .. math:: r = \frac{2\alpha c_2^2}{\Delta + c_2^2 (1 - q_2) + \varepsilon_2},\quad q_2 = m(r),
        \qquad \frac{I}{kd} = \frac{\alpha}{\gamma}\Bigl(\frac{r q_2}{4\alpha}
        + \tfrac12 \log \frac{\Delta + \mathrm{mmse}}{\Delta} - \frac{\psi(r)}{2\alpha}\Bigr)

    with m and psi of `denoise`. The specialised branch has an overlap q_w with every row; of its
    solutions the one of largest free entropy is taken, and then the branch of larger free entropy,
    which is the smaller information. An activation without content of degree three or more never
    specialises: it does not change when W is rotated.

    Args:
        activation: phi: a name ("relu", "tanh", "elu", "quadratic", ...), a function of JAX
            arrays, or orthonormal Hermite coefficients (c_0, c_1, ...).
        alpha: samples per squared input dimension, positive, any shape.
        width_ratio: gamma = k/d, positive scalar.
        noise: variance of the output noise, positive scalar.
        readout: v: "ones", or "signed" for +-1 in equal parts.
        prior: law of W's entries, "gaussian" or "rademacher".

    Returns:
        QuadraticLimits of alpha's shape. `status` says that this is a conjecture.

    Assumes:
        d, k, n to infinity with k/d and n/d^2 fixed, Gaussian inputs. As alpha -> 0 the error
        tends to c_2^2 + eps_2, the `eps` of `bayes_limits`, which is for n = O(d): there the two
        regimes join. Use float64.

    Raises:
        ValueError: for unknown names, or numbers that are not positive; traced ones give NaN.

    Reference:
        Barbier, Camilli, Nguyen, Pastore, Skerk 2025 (arXiv 2501.18530); Maillard, Troiani,
        Martin, Krzakala, Zdeborova 2024 (arXiv 2408.03733) for the quadratic activation.
    """
    choice("readout", readout, ROW_READOUTS)
    choice("prior", prior, PRIORS)
    parts = hermite_parts(activation)
    alpha = real("alpha", alpha, low=0.0, strict=True)
    gamma = real("width_ratio", width_ratio, low=0.0, strict=True)
    delta = real("noise", noise, low=0.0, strict=True)
    if gamma.ndim or delta.ndim:
        raise ValueError("width_ratio and noise must be scalars: map over them with jax.vmap.")
    # Traced values out of range are known nowhere else.
    alpha, gamma, delta = (jnp.where(z > 0, z, jnp.nan) for z in (alpha, gamma, delta))
    dtype = jnp.result_type(alpha, gamma, delta, parts.quadratic)
    parts = HermiteParts(*(x.astype(dtype) for x in parts.padded()))
    # Any number of alphas up to 32, 64, ... runs one program, which solves as many as there are.
    room = max(32, 1 << (alpha.size - 1).bit_length())
    buffer = jnp.pad(alpha.ravel().astype(dtype), (0, room - alpha.size), constant_values=1)
    scalars = gamma.astype(dtype), delta.astype(dtype)
    found = _solve_all(buffer, alpha.size, parts, *scalars, readout, prior)
    found = {name: value[: alpha.size].reshape(alpha.shape) for name, value in found.items()}
    return QuadraticLimits(**found, status=STATUS)


@enforced
def quadratic_threshold(
    activation: str | Callable | Sequence[float],
    *,
    width_ratio: Numbers,
    noise: Numbers,
    readout: RowReadout = "ones",
    prior: PriorName = "gaussian",
    largest: float = 1e4,
) -> Float[Array, ""]:
    """Find the alpha = n/d^2 at which the specialised branch becomes the optimal one.

    Below it rows of the teacher cannot be found at all; above it they can in principle, while
    known algorithms stay on the universal branch, which remains stable.

    Args:
        activation: phi: a name ("relu", "tanh", "elu", "quadratic", ...), a function of JAX arrays,
            or orthonormal Hermite coefficients (c_0, c_1, ...).
        width_ratio: likewise.
        noise: likewise.
        readout: likewise.
        prior: likewise.
        largest: alpha up to which it is looked for.

    Returns:
        The threshold to about 1e-9 in log alpha; inf where there is none below `largest`, 0
        where it lies below 1e-3.

    Raises:
        ValueError: as `quadratic_limits`, or for traced arguments, which a search cannot take.

    Reference:
        Barbier, Camilli, Nguyen, Pastore, Skerk 2025 (arXiv 2501.18530); Maillard, Troiani,
        Martin, Krzakala, Zdeborova 2024 (arXiv 2408.03733) for the quadratic activation.
    """
    from scipy.optimize import brentq

    if not concrete(width_ratio, noise, largest):
        raise ValueError("quadratic_threshold searches on the host; call it outside jit and vmap")
    low, high = 1e-3, float(largest)
    if not high > low:
        raise ValueError(f"largest={largest} must exceed {low}")

    def advantage(log_alpha):
        """Free entropy of the specialised branch less that of the universal one, as information."""
        found = quadratic_limits(
            activation,
            np.exp(log_alpha),
            width_ratio=width_ratio,
            noise=noise,
            readout=readout,
            prior=prior,
        )
        won = np.asarray(found.mi_universal - found.mi_specialised)
        return np.where(np.asarray(found.q_w_specialised) > 0, won, -np.abs(won))

    if not float(hermite_parts(activation).higher) > 0:
        return jnp.asarray(jnp.inf)
    grid = np.linspace(np.log(low), np.log(high), 33)
    values = advantage(grid)
    if not (values > 0).any():
        return jnp.asarray(jnp.inf)
    if values[0] > 0:
        return jnp.asarray(0.0)
    first = int(np.argmax(values > 0))
    place: Any = brentq(lambda z: float(advantage(z)), grid[first - 1], grid[first], xtol=1e-12)
    return jnp.asarray(np.exp(place))


@partial(jax.jit, static_argnames=("readout", "prior"))
def _solve_all(alpha, count, parts, gamma, delta, readout, prior):
    # In units of the output's variance, so that squares of it do not overflow.
    size = parts.quadratic + parts.higher
    size = jnp.where(size > 0, size, 1)
    parts, delta = HermiteParts(*(x / size for x in parts)), delta / size

    def one(a):
        universal = universal_branch(a, parts, gamma, delta, readout)
        special = specialised_branch(a, parts, gamma, delta, prior)

        mi_u, mi_s = universal.information, special.information
        # Degrees up to two alone leave W free to rotate: no row can be found.
        wins = (mi_s < mi_u) & (parts.higher > 0) & (special.q_w > 0)

        def pick(b, c):
            return jnp.where(wins, c, b)

        error, mi = pick(universal.error, special.error), pick(mi_u, mi_s)
        found = {
            "q2": pick(universal.q2, special.q2),
            "q_w": pick(universal.q_w, special.q_w),
            "mmse": size * error,
            "generalization_error": size * (error + delta),
            "mi_per_parameter": mi,
            "mi_per_sample": mi * gamma / a,
            "q2_universal": universal.q2,
            "mmse_universal": size * universal.error,
            "mi_universal": mi_u,
            "q2_specialised": special.q2,
            "q_w_specialised": special.q_w,
            "mmse_specialised": size * special.error,
            "mi_specialised": mi_s,
        }
        known = jnp.isfinite(a + gamma + delta)
        found = {name: jnp.where(known, value, jnp.nan) for name, value in found.items()}
        return found | {"branch": wins.astype(jnp.int32)}

    empty = jax.tree.map(
        lambda s: jnp.zeros(alpha.shape, s.dtype), jax.eval_shape(one, alpha[0])
    )

    def fill(i, filled):
        return jax.tree.map(lambda all_, x: all_.at[i].set(x), filled, one(alpha[i]))

    return jax.lax.fori_loop(0, count, fill, empty)
