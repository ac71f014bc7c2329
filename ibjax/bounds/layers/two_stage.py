"""Binary classification: a finite cover from one half of the data, the choice from the other."""

from dataclasses import replace

import jax.numpy as jnp

from ibjax.bounds import checks
from ibjax.bounds.layers.coefficients import Etas
from ibjax.bounds.layers.depth import depth
from ibjax.interface import BoundValue
from ibjax.signatures import enforced


@enforced
def two_stage(
    n_cover: int,
    n_train: int,
    vc_dimension: int,
    etas: Etas = (),
    *,
    variant: str = "certified",
) -> BoundValue:
    """Bound the expected gap of the two-stage learner of a Vapnik-Chervonenkis class.

    ``E[R - R_{S_2}] <= sqrt(V log(e n_1 / V) / (2 n_2))``

    The first n_1 points select one hypothesis a labelling they can receive, at most (e n_1/V)^V
    of them; the empirical minimiser among these on the other n_2 points is the output, so
    I(S_2; h | S_1) <= V log(e n_1 / V). A one-stage minimiser is not covered: it picks its
    representatives with all of the data. With coefficients of noisy layers, fixed before S_2 is
    seen, the information is contracted; the certified form then adds the label term of `depth`
    for two classes, the published one does not.

    Args:
        n_cover: points n_1 that select the cover.
        n_train: points n_2 that select the hypothesis.
        vc_dimension: V of the head on the features; width + 1 for a linear head.
        etas: coefficients of the layers, as in `depth`; none by default.
        variant: "certified" or "published", which differ once there are coefficients.

    Returns:
        The bound for the 0-1 loss.

    Raises:
        ValueError: if n_cover < vc_dimension, where the growth function is 2^n_1, for other
            numbers out of range, and for coefficients that support no certificate.

    Reference:
        Xu, Raginsky 2017, "Information-theoretic analysis of generalization capability of
        learning algorithms" (two stages); Zhang, Liu, Tao 2018 (layers); constants and label
        term derived here.
    """
    n_cover, v = checks.whole("n_cover", n_cover), checks.whole("vc_dimension", vc_dimension)
    if checks.concrete(n_cover, v) and n_cover < v:
        raise ValueError(f"n_cover={n_cover} is below vc_dimension={v}; give n_cover >= {v}")
    info = v * (1 + jnp.log(jnp.asarray(n_cover / v)))
    layered = not (isinstance(etas, (list, tuple)) and not etas)
    if not layered:
        bound = depth(info, (), n_train, 0.5, label_information=0.0)
    else:
        bound = depth(info, etas, n_train, 0.5, variant=variant, num_classes=2)
    if layered:
        return replace(bound, name="two_stage")
    return replace(bound, name="two_stage", assumptions=("iid", "bounded_loss"), note="")
