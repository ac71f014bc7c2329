"""Gap and supersample bound of each class."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ibjax.arguments import numeric
from ibjax.bounds import checks, outcome, root
from ibjax.bounds.means import mean_and_error
from ibjax.bounds.supersamples import letters, plugin, replica_tables
from ibjax.interface import BoundValue
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, Int, JaxArray


class Classes(NamedTuple):
    """One number a class.

    Attributes:
        gap: measured test minus training error on examples of the class, (C,).
        bound: bound on its absolute value, (C,).
        share: probability of the class that was used, (C,).
    """

    gap: JaxArray
    bound: BoundValue
    share: JaxArray


@enforced
def per_class(
    losses: Float[Array, "k1 k2 n 2"] | Int[Array, "k1 k2 n 2"],
    labels: Int[Array, "k1 n 2"],
    masks: Int[Array, "k1 k2 n"],
    num_classes: int,
    *,
    correction: str | None = None,
    valid: Array | None = None,
    clip: float | tuple[float, float] | None = None,
) -> Classes:
    """Bound the gap on each class by the loss differences of the pairs that hold it.

    ``|gap_c| <= E (1/(n p_c)) sum_i 1{c in pair i} sqrt(2 I(D_i^c; U_i | supersample))``

    with D_i^c the difference of the losses of a pair where a member of another class counts as 0,
    and ``gap_c = E[l 1{Y = c}] / p_c`` on test less the same on training examples. Given the
    supersample a pair without the class has no difference at all. Plug-in noise as in
    `supersample`: up near zero, down near log 2 where the masks are not balanced.

    Args:
        losses: 0-1 losses, or real ones in [0, 1], which count in fractions, see `letters`.
        labels: classes of both members.
        masks: the column trained on.
        num_classes: C.
        correction: of the sampling bias: None, "miller_madow", "jackknife" or "permutation"; None
            for real losses.
        valid: (k1, k2) replicas to use; all by default.
        clip: c or (a, c): losses are clipped to [0, c] or [a, c]. The bound, in units of the loss,
            is then one on the gap of the clipped losses.

    Returns:
        Gaps and bounds. ``p_c`` is the share of the class among the examples given.

    Raises:
        ValueError: as `bounds.ld_cmi`; labels out of range.

    Reference:
        Laakom, Gabbouj, Schmidhuber, Bu 2025, "Class-wise generalization error: an
        information-theoretic analysis", TMLR; this form re-derived for supersamples.
    """
    classes = checks.static_whole("num_classes", num_classes, 2)
    data, width = replica_tables.prepare_losses(losses, masks, valid, clip)
    checks.choice("correction", correction, plugin.CORRECTIONS)
    if correction is not None and not jnp.issubdtype(data.values.dtype, jnp.integer):
        raise ValueError(
            f"correction={correction!r} needs whole counts, but losses are real numbers; leave it "
            "out, or give integers for 0-1 losses"
        )
    labels = numeric("labels", labels)
    wanted = (data.values.shape[0], *data.values.shape[2:])
    if labels.shape != wanted:
        raise ValueError(f"labels has shape {labels.shape}; give {wanted} to fit losses")
    legal = (labels >= 0) & (labels < classes) & (labels == jnp.round(labels))
    if checks.concrete(labels) and not bool(jnp.all(legal)):
        raise ValueError(f"labels must lie in 0..{classes - 1}, the classes from 0")
    gap, value, info, error, share = _classes(data, labels, classes, correction)
    bound = outcome.result(
        width * value,
        name="per_class",
        kind="estimate",
        limit=width,
        assumptions=replica_tables.ASSUMPTIONS,
        information=info,
        about="other",  # of one class alone
        std_error=width * error,
        note=f"{replica_tables.note(correction)}; class shares are those of the examples",
    )
    return Classes(width * gap, bound, share)


@partial(jax.jit, static_argnums=(2, 3))
def _classes(data: replica_tables.Data, labels: JaxArray, classes: int, correction: str | None):
    use = replica_tables.usable(data)
    known = jnp.where(replica_tables.fair(data), 1.0, jnp.nan)

    def one(c):
        member = (labels == c).astype(int)
        share = jnp.sum(member * use[:, None, None]) / (
            jnp.sum(use) * member.shape[1] * member.shape[2]
        )
        lost = data.values * member[:, None]
        tables = letters.counts("difference", 3, data._replace(values=lost))[:, 0]
        info = plugin.mutual_information(tables, correction, data.masks.shape[1])
        each = root.sub_gaussian(jnp.maximum(info, 0.0))
        roots, infos = (replica_tables.pair_mean(data, x) for x in (each, info))
        value, error = mean_and_error(roots / share, use)
        information, _ = mean_and_error(infos, use)
        signed = (lost[..., 0] - lost[..., 1]) * (2 * data.masks - 1)
        each = jnp.sum(signed * data.valid, (1, 2)) / jnp.sum(data.valid, (1, 2))
        gap, _ = mean_and_error(each / share, use)
        return gap, known * value, known * information, known * error, share

    return jax.vmap(one)(jnp.arange(classes))
