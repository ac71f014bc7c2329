"""Variational forms of the bottleneck: VIB, CEB and the deep dual, as one function of (key, beta).

Every bound is named after what it bounds: a marginal r(z) bounds I(X;Z), a class-conditional one
b(z|y) bounds the residual information I(X;Z|Y), which is smaller by I(Z;Y).
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ibjax import arguments
from ibjax.arguments import check_rate, is_classes, numeric, whole
from ibjax.bottleneck import tables
from ibjax.bottleneck.latent import informations, latent_networks
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, Int, JaxArray, Key, Scalar

VariationalForm = Literal["vib", "ceb", "dual"]


@dataclass(frozen=True)
class Variational:
    """Static description of a variational bottleneck.

    Attributes:
        form: "vib": rate and cross entropy; "ceb": class-conditional rate and cross entropy;
            "dual": rate and the divergence of the decoder from the label law, decoder first.
        latent: dimension of Z.
        widths: hidden layers of the encoder.
        decoder_widths: hidden layers of the decoder; none for a linear one.
        conditional: whether the marginal depends on the class; None: for "ceb" only.
        cross_entropy: weight of a cross entropy added to "dual", relative to its divergence.
        steps: of Adam.
        batch: examples a step.
        draws: of Z for each evaluated input.
    """

    form: VariationalForm = "vib"
    latent: int = 8
    widths: tuple[int, ...] = (64,)
    decoder_widths: tuple[int, ...] = ()
    conditional: bool | None = None
    cross_entropy: float = 0.0
    steps: int = 1000
    batch: int = 128
    draws: int = 4

    def __post_init__(self) -> None:
        if self.form not in ("vib", "ceb", "dual"):
            raise ValueError(f"form={self.form!r} is unknown; choose 'vib', 'ceb' or 'dual'")
        for name in ("latent", "steps", "batch", "draws"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")
        if not self.cross_entropy >= 0:
            raise ValueError(f"cross_entropy={self.cross_entropy} must not be negative")

    @property
    def class_marginal(self) -> bool:
        """Whether the marginal depends on the class."""
        return self.form == "ceb" if self.conditional is None else self.conditional


class VariationalBottleneck(NamedTuple):
    """A trained bottleneck, measured on the evaluation inputs; nats.

    The informations are those of X uniform on the evaluation inputs and the known Gaussian
    encoder: exact up to the draws of Z.

    Attributes:
        rate: E KL(e(z|x) || r(z)), an upper bound on I(X;Z); NaN with a class marginal.
        residual: E KL(e(z|x) || b(z|y)), an upper bound on I(X;Z|Y); NaN without a class marginal.
        distortion: cross entropy E[-log q(y|z)].
        dual_distortion: E D[q(.|z) || p(.|x)] against the label law; NaN where none was given.
        i_zy_lower: H(Y) - distortion, a lower bound on I(Z;Y).
        i_xz: I(X;Z).
        i_xz_given_y: I(X;Z|Y).
        i_zy: I(Z;Y) = I(X;Z) - I(X;Z|Y), for Z depends on Y through X only.
        std_error: of i_xz, from the draws.
        accuracy: of the decoder at draws of Z.
        params: of the networks.
    """

    rate: JaxArray
    residual: JaxArray
    distortion: JaxArray
    dual_distortion: JaxArray
    i_zy_lower: JaxArray
    i_xz: JaxArray
    i_xz_given_y: JaxArray
    i_zy: JaxArray
    std_error: JaxArray
    accuracy: JaxArray
    params: Any


@enforced
def variational(
    key: Key,
    x: Float[Array, "n ..."],
    y: Int[Array, " n"],
    beta: Scalar,
    config: Variational = Variational(),
    *,
    label_law: Float[Array, "n classes"] | None = None,
    evaluate: tuple[Array, Array] | None = None,
    num_classes: int | None = None,
    learning_rate: Scalar = 1e-3,
) -> VariationalBottleneck:
    r"""Train a stochastic encoder and its decoder; measure both coordinates and every bound.

    Minimises rate + beta distortion, as `ib` does, where published programs put 1 / beta on the
    rate:

    .. math:: \text{vib: } E\,KL(e(z|x)\|r(z)) - \beta E\log q(y|z),\quad
              \text{ceb: } E\,KL(e(z|x)\|b(z|y)) - \beta E\log q(y|z),

    .. math:: \text{dual: } E\,KL(e(z|x)\|r(z)) + \beta E\,D[q(\cdot|z)\|p(\cdot|x)].

    The whole run is one pure function: a curve is `vmap` over beta, seeds over key.

    Args:
        key: for the split streams of weights, batches and draws.
        x: training inputs, (n, ...), flattened.
        y: their classes, (n,).
        beta: trade-off, >= 0.
        config: sizes and form.
        label_law: p(y|x) of the training inputs, (n, classes), positive; for "dual", which needs
            one (see `label_law`).
        evaluate: inputs and classes to measure on; the training ones by default.
        num_classes: number of classes; the largest plus one by default.
        learning_rate: of Adam.

    Returns:
        A `VariationalBottleneck`. (i_xz, i_zy) obeys the data-processing inequality; `residual`
        against `i_zy_lower` need not, for they are about different informations.

    Raises:
        ValueError: for shapes that do not fit, inputs that are not finite, classes that are none,
            a negative beta, a learning rate that is not positive, or "dual" without a label law.

    Reference:
        Alemi, Fischer, Dillon, Murphy (2017), Deep variational information bottleneck; Fischer
        (2020), The conditional entropy bottleneck; Piran, Shwartz-Ziv, Tishby (2020), The dual
        information bottleneck. The measured informations are added here.
    """
    inputs, labels = _pair("x", x, "y", y)
    beta = tables.check_betas(beta)
    check_rate("learning_rate", learning_rate)
    if num_classes is None:
        if not tables.concrete(labels):
            raise ValueError("num_classes=None needs labels that are known; give it under jit")
        num_classes = int(np.max(np.asarray(labels))) + 1
    law = None
    if label_law is not None:
        law = tables.floating(label_law, "label_law").astype(inputs.dtype)
        if law.shape != (inputs.shape[0], num_classes):
            raise ValueError(
                f"label_law has shape {law.shape}; give ({inputs.shape[0]}, {num_classes})"
            )
        if tables.concrete(law) and not (np.asarray(law) > 0).all():
            raise ValueError("label_law has zeros; mix in label noise, as the function does")
        if tables.concrete(law) and not np.allclose(np.asarray(law).sum(axis=1), 1, atol=1e-3):
            raise ValueError("label_law has rows that do not sum to 1; divide them by their sums")
    if config.form == "dual" and law is None:
        raise ValueError("form='dual' needs label_law=, a positive p(y|x); see label_law()")
    seen = (inputs, labels) if evaluate is None else _pair("x", evaluate[0], "y", evaluate[1])
    for name, found in (("y", labels), ("evaluate's y", seen[1])):
        if tables.concrete(found):
            arguments.labels(name, found, num_classes)
    # the law is known of the training inputs only
    law_seen = law if evaluate is None else None
    return _train(
        key, inputs, labels, beta, learning_rate, law, *seen, law_seen, config, num_classes
    )


@enforced
def label_law(
    y: Int[Array, " n"],
    num_classes: int,
    *,
    smoothing: float = 0.02,
    confusion: Float[Array, "classes classes"] | None = None,
) -> JaxArray:
    """A positive p(y|x) from labels: smoothed, or the row of a confusion matrix.

    Args:
        y: classes, (n,).
        num_classes: number of classes.
        smoothing: mass spread evenly over all classes, in (0, 1].
        confusion: counts or rates, a row each true class; its rows are normalised, then smoothed.

    Returns:
        (n, num_classes), rows summing to 1, no entry zero.

    Raises:
        ValueError: for a smoothing out of (0, 1], a class that is none of them, or a matrix of
            another shape or with empty rows.
    """
    if not 0 < smoothing <= 1:
        raise ValueError(f"smoothing={smoothing} must lie in (0, 1]: zeros make the dual infinite")
    rows = jnp.eye(whole("num_classes", num_classes, 2))
    y = arguments.labels("y", y, num_classes) if tables.concrete(y) else jnp.asarray(y)
    if confusion is not None:
        rows = tables.floating(confusion, "confusion")
        if rows.shape != (num_classes, num_classes):
            raise ValueError(
                f"confusion has shape {rows.shape}; give ({num_classes}, {num_classes})"
            )
        total = jnp.sum(rows, axis=1, keepdims=True)
        sound = (rows >= 0).all() & (total > 0).all() & jnp.isfinite(total).all()
        if tables.concrete(sound) and not sound:
            raise ValueError("confusion must be nonnegative and finite with mass in every row")
        rows = rows / total
    rows = (1 - smoothing) * rows + smoothing / num_classes
    if tables.concrete(y):
        return rows[y]
    named = (y >= 0) & (y < num_classes)
    return jnp.where(named[:, None], rows[y], jnp.nan)


def _pair(name_x: str, x: Any, name_y: str, y: Any) -> tuple[JaxArray, JaxArray]:
    inputs, labels = tables.floating(x, name_x), numeric(name_y, y)
    if inputs.ndim < 2 or 0 in inputs.shape:
        raise ValueError(f"{name_x} has shape {inputs.shape}; give (n, d), one row an input")
    inputs = inputs.reshape(inputs.shape[0], -1)
    if tables.concrete(inputs) and not np.isfinite(np.asarray(inputs)).all():
        raise ValueError(f"{name_x} holds NaN or infinite values; remove those inputs first")
    if labels.shape != inputs.shape[:1] or not is_classes(labels):
        raise ValueError(
            f"{name_y} has shape {labels.shape} and type {labels.dtype}; give integers of shape "
            f"({inputs.shape[0]},), one a row of {name_x}"
        )
    return inputs, labels.astype(jnp.int32)


@partial(jax.jit, static_argnums=(9, 10))
def _train(key, x, y, beta, rate, law, x_seen, y_seen, law_seen, config: Variational, classes: int):
    import optax

    net = latent_networks(config, x.shape[1], classes)
    key_init, key_train, key_seen = jax.random.split(key, 3)
    beta = jnp.asarray(beta, x.dtype)
    # Over the largest, whose square neither overflows nor vanishes.
    largest = jnp.max(jnp.abs(x), axis=0)
    spread = largest * jnp.std(x / jnp.where(largest > 0, largest, 1.0), axis=0)
    centre, scale = jnp.mean(x, axis=0), jnp.where(spread > 0, spread, 1.0)

    def terms(params, k, xs, ys, laws) -> dict[str, JaxArray]:
        latent = net.encode(params, (xs - centre) / scale)
        z = latent.mean + latent.std * jax.random.normal(k, latent.mean.shape, x.dtype)
        scores = jax.nn.log_softmax(net.decode(params, z))
        divergence = latent.divergence(net.marginal(params, ys))
        found = {
            "rate": jnp.mean(divergence),
            "distortion": -jnp.mean(jnp.take_along_axis(scores, ys[:, None], axis=1)),
            "accuracy": jnp.mean((jnp.argmax(scores, axis=1) == ys) & ~jnp.isnan(scores[:, 0])),
            "dual_distortion": jnp.array(jnp.nan, x.dtype),
        }
        if laws is not None:
            gap = jnp.exp(scores) * (scores - jnp.log(laws))
            found["dual_distortion"] = jnp.mean(jnp.sum(gap, axis=1))
        return found

    def loss(params, k, rows):
        t = terms(params, k, x[rows], y[rows], None if law is None else law[rows])
        cost = t["distortion"]
        if config.form == "dual":
            cost = t["dual_distortion"] + config.cross_entropy * t["distortion"]
        # the size of the loss is no matter to Adam; this keeps it of order one at every beta
        return (t["rate"] + beta * cost) / (1 + beta)

    adam = optax.flatten(optax.scale_by_adam())

    def step(carry, k):
        params, moments = carry
        draw, noise = jax.random.split(k)
        rows = jax.random.randint(draw, (min(config.batch, x.shape[0]),), 0, x.shape[0])
        gradient = jax.grad(loss)(params, noise, rows)
        update, moments = adam.update(gradient, moments, params)
        return (jax.tree.map(lambda p, u: p - rate * u, params, update), moments), None

    params = net.init(key_init)
    start = (params, adam.init(params))
    (params, _), _ = jax.lax.scan(step, start, jax.random.split(key_train, config.steps))

    keys = jax.random.split(key_seen, config.draws)
    found = jax.vmap(lambda k: terms(params, k, x_seen, y_seen, law_seen))(keys)
    mean = jax.tree.map(jnp.mean, found)
    latent = net.encode(params, (x_seen - centre) / scale)
    i_xz, i_given, error = informations(keys, latent, y_seen)
    share = jnp.bincount(y_seen, length=classes) / y_seen.shape[0]
    entropy = 0 - jnp.sum(jax.scipy.special.xlogy(share, share))
    missing = jnp.array(jnp.nan, x.dtype)
    of_class = config.class_marginal
    return VariationalBottleneck(
        rate=missing if of_class else mean["rate"],
        residual=mean["rate"] if of_class else missing,
        distortion=mean["distortion"],
        dual_distortion=mean["dual_distortion"],
        i_zy_lower=entropy - mean["distortion"],
        i_xz=i_xz,
        i_xz_given_y=i_given,
        i_zy=i_xz - i_given,
        std_error=error,
        accuracy=mean["accuracy"],
        params=params,
    )
