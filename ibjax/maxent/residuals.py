"""The estimates behind `conditions`: one layer, from the losses of its probes to residuals."""

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
from ibjax.maxent.probes import Probes, probe, standardise, table_losses
from ibjax.typing import Array, BiasDirection, Float, Key


class Conditions(NamedTuple):
    """How far one layer is from applying maximum entropy strictly. Nats, except the first two.

    Attributes:
        moment_residual: root mean square correlation of units with prediction errors; about
            `moment_null` when the moments match on fresh data.
        moment_null: 1/sqrt(n), the root mean square that noise alone gives.
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
    return Estimate(value, error, jnp.asarray(ok), bias, name, reason)


def _missing(like: Array, name: str, reason: str) -> Estimate:
    nan = jnp.full((), jnp.nan, like.dtype)
    return Estimate(nan, nan, jnp.asarray(False), "unknown", name, reason)


def _moment(z: Array, errors: Array, name: str) -> Estimate:
    """Root mean square of the normalised residual and its standard error."""
    rows, units = z.shape
    centred = z - z.mean(axis=0)
    size = jnp.sqrt((centred**2).mean(axis=0))
    centred = jnp.where(size > 0, centred / jnp.where(size > 0, size, 1), 0)
    level = jnp.sqrt((errors**2).mean(axis=0))
    scaled = jnp.where(level > 0, errors / jnp.where(level > 0, level, 1), 0)
    correlation = centred.T @ scaled / rows
    count = units * errors.shape[1]
    value = jnp.sqrt((correlation**2).sum() / count)
    # First order around a nonzero residual, never below the scatter at zero.
    influence = ((centred @ correlation) * scaled).sum(axis=1) / count
    slope = jnp.where(value > 0, 1 / jnp.where(value > 0, value, 1), 0)
    error = jnp.maximum(slope * jnp.std(influence), (2 * count) ** -0.5) / jnp.sqrt(rows)
    return Estimate(value, error, jnp.asarray(True), "up", name, "noise alone gives moment_null")


class _Losses(NamedTuple):
    linear: Array
    strong: Array
    naive: Array
    errors: Array
    logits: Array
    train_gap: Array
    converged: Array


def _held_out(probes: Probes) -> _Losses:
    return _Losses(
        probes.linear,
        probes.nonlinear,
        probes.naive_bayes,
        probes.errors,
        probes.logits,
        probes.train_gap,
        probes.converged,
    )


def _tabled(features: Array, onehot: Array, l2: Any) -> _Losses:
    """Everything on the empirical law itself: the table of a finite alphabet."""
    rows = features.shape[0]
    z = standardise(features, jnp.full((rows,), 1 / rows, features.dtype))
    fit = solve(z, onehot / rows, l2=l2)
    logits = log_law(z, fit.weights, fit.bias)
    strong = table_losses(features, onehot)
    return _Losses(
        -(onehot * logits).sum(axis=1),
        strong,
        strong + (onehot * naive_bayes_terms(onehot / rows, features)).sum(axis=1),
        onehot - jnp.exp(logits),
        logits,
        fit.duality_gap,
        fit.converged,
    )


def measure(
    features: Any,
    labels: Any,
    *,
    inputs: Any,
    head: tuple[Any, Any] | None,
    num_classes: int | None,
    strong: str,
    correlation: str,
    l2: Any,
    folds: int,
    width: int,
    key: Key | None,
    below: Array | None,
) -> tuple[Conditions, Array]:
    """`Conditions` of one layer and the losses of its softmax, which pair it with the next."""
    features = checks.matrix("features", features, 2)
    rows, units = features.shape
    labels, num_classes = checks.classes(labels, rows, num_classes)
    if strong not in ("features", "table"):
        raise ValueError(f"strong={strong!r} is unknown; give 'features' or 'table'")
    if inputs is not None:
        inputs = checks.matrix("inputs", inputs, 2).astype(features.dtype)
        if inputs.shape[0] != rows:
            raise ValueError(
                f"inputs has {inputs.shape[0]} rows for {rows} rows of features; "
                "give the input of every example"
            )
    if head is not None:
        weights = checks.matrix("head weights", head[0]).astype(features.dtype)
        bias = jnp.asarray(head[1], features.dtype)
        if weights.shape != (units, num_classes) or bias.shape != (num_classes,):
            raise ValueError(
                f"head has shapes {weights.shape} and {bias.shape}; "
                f"give ({units}, {num_classes}) and ({num_classes},)"
            )
        head = weights, bias
    if l2 is None:
        l2 = 0.0 if strong == "table" else 1 / rows
    checks.nonnegative("l2", l2)
    auto = "binary" if units <= 20 and 5 * num_classes * 2**units <= rows else "gaussian"
    return _measure(
        features,
        labels,
        inputs,
        head,
        jnp.asarray(l2, features.dtype),
        jax.random.key(0) if key is None else key,
        below,
        num_classes=num_classes,
        table=strong == "table",
        correlation=auto if correlation == "auto" else correlation,
        folds=folds,
        width=width,
    )


@partial(jax.jit, static_argnames=("num_classes", "table", "correlation", "folds", "width"))
def _measure(
    features: Array,
    labels: Array,
    inputs: Array | None,
    head: tuple[Array, Array] | None,
    l2: Array,
    key: Key,
    below: Array | None,
    *,
    num_classes: int,
    table: bool,
    correlation: str,
    folds: int,
    width: int,
) -> tuple[Conditions, Array]:
    rows = features.shape[0]
    onehot = jax.nn.one_hot(labels, num_classes, dtype=features.dtype)

    def losses(array: Array) -> _Losses:
        if table:
            return _tabled(array, onehot, l2)
        options: dict[str, Any] = {"num_classes": num_classes, "l2": l2, "folds": folds}
        return _held_out(probe(key, array, labels, width=width, **options))

    here = losses(features)
    fit_reason = "a probe did not converge: raise l2 or drop constant units"
    if inputs is None:
        sufficiency = _mean(
            here.strong,
            "H(Y|T), upper bound on I(X;Y|T)",
            "up",
            here.converged,
            "without inputs= this is H(Y|T), equal to I(X;Y|T) if X determines Y",
        )
    else:
        if table:
            source, source_ok = table_losses(inputs, onehot), jnp.asarray(True)
        else:
            at_input = losses(inputs)
            source, source_ok = at_input.strong, at_input.converged
        sufficiency = _mean(
            here.strong - source,
            "I(X;Y|T), table" if table else "I(X;Y|T), usable-information gap of two probes",
            "up" if table else "unknown",
            here.converged & source_ok,
            "plug-in of a table" if table else "a difference of two upper bounds: any sign",
        )
    if head is None:
        logits, errors = here.logits, here.errors
        train = Estimate(
            here.train_gap,
            jnp.zeros_like(here.train_gap),
            here.converged,
            "none",
            "CE - H_q on the data of the fit",
            fit_reason,
        )
    else:
        logits = log_law(features, *head)
        errors = onehot - jnp.exp(logits)
        train = _missing(features, "CE - H_q on the data of the fit", "use moments on that data")
    # E[(1_Y - q) . log q] example by example: the two entropies differ by exactly this.
    gap = _mean(-(errors * logits).sum(axis=1), "CE - H_q", "none", here.converged, fit_reason)

    dependence = total_correlation(features, labels, method=correlation, num_classes=num_classes)
    pairs = total_correlation(features, labels, method="pairwise", num_classes=num_classes)
    if correlation == "gaussian" and not table:
        naive = _mean(here.naive - here.strong, "Gaussian naive Bayes - strong probe", "unknown")
    else:
        bits = features if table else binarise(features)
        terms = (onehot * naive_bayes_terms(onehot / rows, bits)).sum(axis=1)
        naive = _mean(terms, "naive Bayes - H(Y|T), plug-in", "up")
    gain_name = "CE_softmax(below) - CE_softmax(T)"
    if below is None:
        gain = _missing(features, gain_name, "no layer below: give inputs= or use layers")
    else:
        gain = _mean(below - here.linear, gain_name, "unknown", here.converged, fit_reason)
    found = Conditions(
        moment_residual=_moment(features, errors, "rms corr(T, 1_Y - q)"),
        moment_null=1 / jnp.sqrt(jnp.asarray(rows, features.dtype)),
        duality_gap=gap,
        duality_gap_train=train,
        sufficiency_residual=sufficiency,
        linear_gap=_mean(
            here.linear - here.strong,
            "CE_softmax(T) - H(Y|T), " + ("table" if table else "nested probes"),
            "up" if table else "unknown",
            here.converged,
            fit_reason,
        ),
        naive_bayes_gap=naive,
        total_correlation=dependence,
        pairwise_correlation=pairs,
        cross_entropy=_mean(
            here.linear, "CE_softmax(T)", "down" if table else "up", here.converged, fit_reason
        ),
        probe_gain=gain,
    )
    return found, here.linear
