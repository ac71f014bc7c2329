"""The estimates behind `conditions`: one layer, from the losses of its probes to residuals."""

from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ibjax.interface import Estimate
from ibjax.maxent import checks
from ibjax.maxent.correlation import binarise, total_correlation
from ibjax.maxent.duality import solve
from ibjax.maxent.exact import naive_bayes_terms
from ibjax.maxent.identity import log_law
from ibjax.maxent.options import Settings
from ibjax.maxent.probes import CONSTANT, largest, probe, standardise, table_losses
from ibjax.typing import Array, BiasDirection, Float


class Conditions(NamedTuple):
    """How far one layer is from applying maximum entropy strictly. Nats, except the first two.

    Attributes:
        moment_residual: root mean square correlation of units with prediction errors; about
            `moment_null` when the moments match on fresh data.
        moment_null: the root mean square that noise alone gives: 1/sqrt(n) for a given head,
            folds/sqrt(n (folds - 1)) for cross-fitted ones.
        duality_gap: CE - H_q on data the head was not fitted to; positive is overconfident.
        duality_gap_train: the same on the data of the fit, -l2 |W|^2 at the optimum.
        sufficiency_residual: first condition, I(X;Y|T), as a difference of strong probes.
        linear_gap: second condition as it matters, CE_softmax(T) - H(Y|T).
        naive_bayes_gap: CE of naive Bayes - H(Y|T), between linear_gap and the next for cut
            units.
        total_correlation: second condition as stated, TC(T|Y); only bounds linear_gap.
        pairwise_correlation: mean over pairs of I(T_i;T_j|Y) of cut units.
        cross_entropy: loss of the softmax on T.
        probe_gain: loss of the layer below less that of this one; NaN where there is none.
    """

    moment_residual: Estimate
    moment_null: Float[Array, ""]
    duality_gap: Estimate
    duality_gap_train: Estimate
    sufficiency_residual: Estimate
    linear_gap: Estimate
    naive_bayes_gap: Estimate
    total_correlation: Estimate
    pairwise_correlation: Estimate
    cross_entropy: Estimate
    probe_gain: Estimate


def _mean(
    terms: Array, name: str, bias: BiasDirection, ok: Any = True, reason: str = ""
) -> Estimate:
    value = terms.mean()
    error = jnp.std(terms, ddof=1) / jnp.sqrt(terms.shape[0])
    return Estimate(value, error, jnp.asarray(ok) & jnp.isfinite(value), bias, name, reason)


def _missing(like: Array, name: str, reason: str) -> Estimate:
    nan = jnp.full((), jnp.nan, like.dtype)
    return Estimate(nan, nan, jnp.asarray(False), "unknown", name, reason)


def _moment(z: Array, errors: Array, fold: Array, folds: int) -> tuple[Estimate, Array]:
    """Root mean square of the normalised residual, its standard error, and what noise gives.

    Each fold has its own head, so residuals are taken by fold: pooled, the excess of one fold
    over the other would cancel.
    """
    rows = z.shape[0]
    own = jax.nn.one_hot(fold, folds, dtype=z.dtype)
    share = own / own.sum(axis=0)
    z = z / largest(z)
    centred = z - own @ (share.T @ z)
    size = jnp.sqrt((centred**2).mean(axis=0))
    live = size > CONSTANT
    centred = jnp.where(live, centred / jnp.where(live, size, 1), 0)
    level = jnp.sqrt((errors**2).mean(axis=0))
    # NaN of a head that is no head stays NaN: it is no error that vanishes.
    scaled = jnp.where(level <= 0, 0, errors / jnp.where(level <= 0, 1, level))
    correlation = jnp.einsum("nf,nd,nk->fdk", share, centred, scaled)
    count = jnp.maximum(live.sum(), 1) * errors.shape[1]
    by_fold = (correlation**2).sum(axis=(1, 2)) / count
    value = jnp.sqrt(by_fold.mean())
    # A fitted head adds the noise of its own n (folds - 1) / folds examples.
    null = jnp.sqrt(jnp.asarray((folds**2 / (folds - 1) if folds > 1 else 1) / rows, z.dtype))
    # First order around a nonzero residual, never below the scatter at zero.
    influence = jnp.einsum("nf,nd,fdk,nk->n", own, centred, correlation, scaled) / count
    slope = jnp.where(value > 0, 1 / jnp.where(value > 0, value, 1), 0)
    spread = slope * jnp.std(influence - own @ by_fold) / jnp.sqrt(rows)
    error = jnp.maximum(spread, null / (2 * count) ** 0.5)
    name = "rms corr(T, 1_Y - q)"
    reason = "noise alone gives moment_null; or the head is not finite"
    return Estimate(value, error, jnp.isfinite(value), "unknown", name, reason), null


class Losses(NamedTuple):
    """What a layer's probes leave behind: losses of each example, errors, and the fit."""

    linear: Array
    strong: Array
    naive: Array
    errors: Array
    logits: Array
    train_gap: Array
    converged: Array
    fold: Array


def layer_losses(
    name: str, features: Any, settings: Settings, own: bool = False
) -> tuple[Array, Losses]:
    """The checked features of a layer, with a head of its `own` or not; its probes' losses."""
    array = checks.matrix(name, features, 2, shift=not own)
    if array.shape[0] != settings.labels.shape[0]:
        raise ValueError(
            f"{name} has {array.shape[0]} rows for {settings.labels.shape[0]} labels; "
            "give one row an example"
        )
    array = checks.labelled(array, settings.labels, settings.num_classes)
    if settings.table:
        onehot = jax.nn.one_hot(settings.labels, settings.num_classes, dtype=array.dtype)
        return array, _tabled(array, onehot, jnp.asarray(settings.l2, array.dtype))
    p = probe(
        settings.key,
        array,
        settings.labels,
        num_classes=settings.num_classes,
        l2=settings.l2,
        folds=settings.folds,
        width=settings.width,
    )
    return array, Losses(
        p.linear, p.nonlinear, p.naive_bayes, p.errors, p.logits, p.train_gap, p.converged, p.fold
    )


@jax.jit
def _tabled(features: Array, onehot: Array, l2: Array) -> Losses:
    """Everything on the empirical law itself: the table of a finite alphabet."""
    rows = features.shape[0]
    z = standardise(features, jnp.full((rows,), 1 / rows, features.dtype))
    fit = solve(z, onehot / rows, l2=l2)
    logits = log_law(z, fit.weights, fit.bias)
    strong = table_losses(features, onehot)
    return Losses(
        -(onehot * logits).sum(axis=1),
        strong,
        strong + (onehot * naive_bayes_terms(onehot / rows, features)).sum(axis=1),
        onehot - jnp.exp(logits),
        logits,
        fit.duality_gap,
        fit.converged,
        jnp.zeros(rows, int),
    )


def measure(
    settings: Settings,
    features: Array,
    here: Losses,
    source: Losses | None,
    below: Losses | None,
    head: tuple[Any, Any] | None,
) -> Conditions:
    """`Conditions` of one layer from its losses, those of the input and of the layer below."""
    rows, units = features.shape
    classes = settings.num_classes
    if head is not None:
        weights = checks.matrix("head weights", head[0]).astype(features.dtype)
        bias = checks.intercepts("head bias", head[1], features.dtype)
        if weights.shape != (units, classes) or bias.shape != (classes,):
            raise ValueError(
                f"head has shapes {weights.shape} and {bias.shape}; "
                f"give ({units}, {classes}) and ({classes},)"
            )
        head = weights, bias
    auto = "binary" if units <= 20 and 5 * classes * 2**units <= rows else "gaussian"
    return _summarise(
        features,
        settings.labels,
        here,
        source,
        below,
        head,
        num_classes=classes,
        table=settings.table,
        folds=settings.folds,
        correlation=auto if settings.correlation == "auto" else settings.correlation,
    )


@partial(jax.jit, static_argnames=("num_classes", "table", "correlation", "folds"))
def _summarise(
    features: Array,
    labels: Array,
    here: Losses,
    source: Losses | None,
    below: Losses | None,
    head: tuple[Array, Array] | None,
    *,
    num_classes: int,
    table: bool,
    correlation: str,
    folds: int,
) -> Conditions:
    onehot = jax.nn.one_hot(labels, num_classes, dtype=features.dtype)
    logits, errors, train = _at_head(features, onehot, here, head)
    several = folds if head is None and not table else 1
    residual, null = _moment(features, errors, here.fold % several, several)
    # E[(1_Y - q) . log q] example by example: the two entropies differ by exactly this.
    fitted = here.converged if head is None else True
    gap = _mean(-(errors * logits).sum(axis=1), "CE - H_q", "none", fitted, _FIT)
    softmax = "CE_softmax(T)"
    nested = f"{softmax} - H(Y|T), " + ("table" if table else "nested probes")
    found = Conditions(
        moment_residual=residual,
        moment_null=null,
        duality_gap=gap,
        duality_gap_train=train,
        sufficiency_residual=_sufficiency(here, source, table),
        linear_gap=_mean(here.linear - here.strong, nested, "unknown", here.converged, _FIT),
        naive_bayes_gap=_naive_bayes(features, onehot, here, table, correlation),
        total_correlation=total_correlation(
            features, labels, method=correlation, num_classes=num_classes
        ),
        pairwise_correlation=total_correlation(
            features, labels, method="pairwise", num_classes=num_classes
        ),
        cross_entropy=_mean(here.linear, softmax, "down" if table else "up", here.converged, _FIT),
        probe_gain=_gain(features, here, below),
    )
    alive = jnp.isfinite(features).all()
    return Conditions(*(_unless_diverged(part, alive) for part in found))


_FIT = "a probe did not converge: raise l2 or drop constant units"
"""Why an estimate made of a fit must not be used."""


def _at_head(
    features: Array, onehot: Array, here: Losses, head: tuple[Array, Array] | None
) -> tuple[Array, Array, Estimate]:
    """Logits and errors of the head, or of the probe, and the duality gap of its own data."""
    name = "CE - H_q on the data of the fit"
    if head is None:
        zero = jnp.zeros_like(here.train_gap)
        train = Estimate(here.train_gap, zero, here.converged, "none", name, _FIT)
        return here.logits, here.errors, train
    logits = log_law(features, *head)
    return logits, onehot - jnp.exp(logits), _missing(features, name, "use moments on that data")


def _sufficiency(here: Losses, source: Losses | None, table: bool) -> Estimate:
    """I(X;Y|T): how much less is told by the layer than by the input."""
    if source is None:
        return _mean(
            here.strong,
            "H(Y|T), upper bound on I(X;Y|T)",
            "unknown" if table else "up",  # the entropy of a table of few samples is too small
            here.converged,
            "without inputs= this is H(Y|T), equal to I(X;Y|T) if X determines Y",
        )
    return _mean(
        here.strong - source.strong,
        "I(X;Y|T), table" if table else "I(X;Y|T), usable-information gap of two probes",
        "unknown",
        here.converged & source.converged,
        "plug-in of a table" if table else "a difference of two upper bounds: any sign",
    )


def _naive_bayes(
    features: Array, onehot: Array, here: Losses, table: bool, correlation: str
) -> Estimate:
    """What is lost by taking units for independent given the label."""
    if table:
        return _mean(here.naive - here.strong, "naive Bayes - H(Y|T), plug-in", "unknown")
    if correlation == "gaussian":
        return _mean(here.naive - here.strong, "Gaussian naive Bayes - strong probe", "unknown")
    terms = onehot * naive_bayes_terms(onehot / features.shape[0], binarise(features))
    return _mean(terms.sum(axis=1), "naive Bayes - H(Y|T) of cut units, plug-in", "unknown")


def _gain(features: Array, here: Losses, below: Losses | None) -> Estimate:
    """What the softmax gains by the layer over the one below."""
    name = "CE_softmax(below) - CE_softmax(T)"
    if below is None:
        return _missing(features, name, "no layer below: give inputs= or use layers")
    sound = here.converged & below.converged
    return _mean(below.linear - here.linear, name, "unknown", sound, _FIT)


def _unless_diverged(part: Any, alive: Array) -> Any:
    """NaN where features are not finite: cut and constant units would hide it."""
    if not isinstance(part, Estimate):
        return part
    value, error = (jnp.where(alive, a, jnp.nan) for a in (part.value, part.std_error))
    return replace(part, value=value, std_error=error, ok=part.ok & alive)
