"""Bounds from trainings that leave one point out each."""

import jax.numpy as jnp
import numpy as np

from ibjax.arguments import numeric
from ibjax.bounds import checks, outcome
from ibjax.bounds.means import mean_and_error
from ibjax.interface import BoundValue
from ibjax.signatures import enforced
from ibjax.typing import Array, Int, JaxArray


@enforced
def leave_one_out(
    losses: Int[Array, "k1 n_plus_1 n_plus_1"],
    *,
    form: str = "sqrt",
    valid: Array | None = None,
) -> BoundValue:
    """Bound the gap by what all losses tell about which of n + 1 points was held out.

    sqrt:          ``|gap| <= E ((n + 1)/n) sqrt(I(l_1, ..., l_{n+1}; U | points) / 2)``
    interpolation: ``test error <= E I(l_1, ..., l_{n+1}; U | points) / log(n + 1)``

    A wrong held-out point names itself when every training loss is zero; without one at most
    log(n + 1) stays unknown: I >= (1 - P(no error)) log(n + 1). Exact plug-in for a deterministic
    learner with one training a held-out index, biased up for a randomised one.

    Args:
        losses: 0-1 losses; ``losses[s, u, j]`` at point j of the learner trained without u.
        form: one of the names above. "interpolation" is NaN where a training loss is not zero.
        valid: (k1, n + 1) trainings to use; a point set that lacks one is left out.

    Returns:
        The mean over point sets in nats (information); error over point sets.

    Raises:
        ValueError: not square, n < 1, values other than 0 and 1, unknown form.

    Reference:
        Haghifam, Moran, Roy, Dziugaite 2022, "Understanding generalization via leave-one-out
        conditional mutual information"; Rammal, Achille, Golatkar, Diggavi, Soatto 2022, "On
        leave-one-out conditional mutual information for generalization"; the constants
        re-derived.
    """
    checks.choice("form", form, ("sqrt", "interpolation"))
    losses = numeric("losses", losses)
    if losses.ndim != 3 or losses.shape[1] != losses.shape[2] or losses.shape[1] < 2:
        raise ValueError(f"losses has shape {losses.shape}; give (k1, n + 1, n + 1) with n >= 1")
    ran = jnp.ones(losses.shape[:2], bool) if valid is None else checks.flags("valid", valid)
    if ran.shape != losses.shape[:2]:
        raise ValueError(f"valid has shape {ran.shape}; give one flag a training: (k1, n + 1)")
    use, size = jnp.all(ran, 1), losses.shape[1]
    good = jnp.all((losses == 0) | (losses == 1), (1, 2)) | ~use
    if checks.concrete(losses, use) and not np.asarray(good).all():
        raise ValueError(
            "losses holds other values than 0 and 1; give 0-1 losses, or mark diverged trainings "
            "in valid"
        )
    table = jnp.where((use & good)[:, None, None], losses, 0)
    information = _information(table.astype(jnp.result_type(float)))
    values, legal = size / (size - 1) * jnp.sqrt(information / 2), jnp.all(good)
    assumptions = ("iid", "bounded_loss", "plug_in")
    if form == "interpolation":
        values = information / np.log(size)
        legal &= ~jnp.any((table != 0) & ~jnp.eye(size, dtype=bool))
        assumptions = (*assumptions, "interpolation")
    value, error = mean_and_error(values, use)
    info, _ = mean_and_error(information, use)
    return outcome.result(
        jnp.where(legal, value, jnp.nan),
        name="leave_one_out" if form == "sqrt" else "leave_one_out_interpolation",
        kind="estimate",
        limit=1.0,
        assumptions=assumptions,
        information=jnp.where(jnp.all(good), info, jnp.nan),
        about="other",  # which of all points was left out
        std_error=error,
        note="plug-in from one training an index: exact for a deterministic learner, else up",
    )


def _information(x: JaxArray) -> JaxArray:
    """log(n + 1) less the mean log number of indices that share their vector of losses."""
    size = x.shape[1]
    agreements = jnp.einsum("suj,svj->suv", x, x) + jnp.einsum("suj,svj->suv", 1 - x, 1 - x)
    shared = jnp.sum(agreements > size - 0.5, axis=-1)
    # The ratio inside the logarithm keeps a vector shared by all indices at exactly zero.
    return jnp.mean(jnp.log(size / shared.astype(x.dtype)), axis=-1)
