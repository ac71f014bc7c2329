"""Certificates for deterministic predictors with a short description, and exact code lengths."""

import math
from dataclasses import replace
from typing import Literal

import jax.numpy as jnp
import numpy as np

from ibjax import arguments
from ibjax.bounds import checks, invert, outcome
from ibjax.interface import BoundValue
from ibjax.signatures import enforced
from ibjax.typing import Array, Float, Numbers, Scalar

Code = Literal["kt", "enumerative"]


@enforced
def occam(
    train_error: Float[Array, "*batch"] | float,
    bits: Float[Array, "*batch"] | float,
    n: int,
    delta: Scalar,
) -> BoundValue:
    r"""Bound the gap of a predictor named by a code word of a prefix code fixed before the data.

    With probability 1 - delta over the sample, for all predictors at once,

    ``kl(L_S || L) <= (bits log 2 + log(1/delta)) / n``

    by Chernoff's bound for each and Kraft's inequality for their union; PAC-Bayes for a point
    mass would add log(2 sqrt n). It holds for any optimiser, and for any loss in [0, 1].

    Args:
        train_error: mean loss of the decoded predictor on the training set, in [0, 1].
        bits: length of its code word, of a code whose lengths satisfy Kraft's inequality:
            everything chosen with the data (the letters, their number, the seed among several)
            is in it. See `code_length` and `integer_bits`.
        n: number of training examples.
        delta: failure probability in (0, 1].

    Returns:
        The inverted bound less the training error; a certificate, vacuous where it puts the
        loss at 1.

    Raises:
        ValueError: a rate outside [0, 1], negative bits, n < 1, delta outside (0, 1].

    Reference:
        Langford 2005, "Tutorial on practical prediction theory for classification", for the
        exact tail; the relative-entropy form is Chernoff's, as here.
    """
    rate = checks.real("train_error", train_error, 0.0, 1.0)
    length = checks.real("bits", bits, 0.0)
    n = checks.whole("n", n)
    delta = checks.failure("delta", delta)
    information = length * math.log(2)
    value = invert.kl(rate, (information - jnp.log(delta)) / n) - rate
    found = outcome.result(
        value,
        name="occam",
        kind="certificate",
        limit=1.0 - rate,
        assumptions=("iid", "bounded_loss", "fixed_prior"),
        information=jnp.broadcast_to(information, value.shape),
        about="posterior",
        note="holds with probability 1 - delta for the decoded predictor",
    )
    return replace(found, confidence=1 - delta)


@enforced
def code_length(letters: Numbers, alphabet: int, *, method: Code = "kt") -> float:
    r"""Length in bits of a sequence of letters under a code fixed by its length and alphabet.

    "enumerative" sends the counts and then the place among sequences of these counts,

    .. math:: \log_2 \frac{n!}{\prod_j n_j!} + \log_2 \binom{n + c - 1}{c - 1};

    "kt" is the adaptive code of Krichevsky and Trofimov,

    .. math:: \log_2 \frac{\Gamma(n + c/2)}{\Gamma(c/2)}
        \prod_j \frac{\Gamma(1/2)}{\Gamma(n_j + 1/2)}.

    Both satisfy Kraft's inequality with equality, as numbers not rounded up (a union bound needs
    no whole bits); the empirical entropy times n does not. Shorter of the two: add one bit.

    Args:
        letters: integers in 0..alphabet-1, any shape.
        alphabet: number of letters c, chosen before the data or paid for apart.
        method: "kt" or "enumerative".

    Returns:
        Bits. The codebook (what a letter decodes to) and other choices come on top.

    Raises:
        ValueError: letters outside the alphabet, an unknown method.

    Reference:
        Krichevsky and Trofimov 1981; Cover 1973 for the enumerative code.
    """
    from scipy.special import gammaln

    alphabet = arguments.whole("alphabet", alphabet, 1)
    array = arguments.host("letters", letters).ravel()
    if array.dtype.kind not in "iub":
        raise ValueError(f"letters has dtype {array.dtype}; give integers 0..{alphabet - 1}")
    if array.size and (array.min() < 0 or array.max() >= alphabet):
        raise ValueError(f"letters run from {array.min()} to {array.max()}; give 0..{alphabet - 1}")
    if method not in ("kt", "enumerative"):
        raise ValueError(f"method={method!r} is unknown; give 'kt' or 'enumerative'")
    counts = np.bincount(array.astype(np.int64), minlength=alphabet).astype(float)
    n, c = counts.sum(), alphabet
    if method == "kt":
        nats = gammaln(n + c / 2) - gammaln(c / 2) + np.sum(gammaln(0.5) - gammaln(counts + 0.5))
    else:
        nats = gammaln(n + 1) - np.sum(gammaln(counts + 1))
        nats += gammaln(n + c) - gammaln(n + 1) - gammaln(c)
    return float(max(nats, 0.0) / math.log(2))


@enforced
def integer_bits(number: int) -> int:
    """Length of Elias' gamma code of a positive whole number, 2 floor(log2 number) + 1 bits.

    For what a description must say of itself, such as its length. The often used
    ``l + 2 log2 l`` violates Kraft's inequality: its weights sum to pi^2/6.

    Args:
        number: 1 or more.

    Raises:
        ValueError: for anything else.

    Reference:
        Elias 1975, "Universal codeword sets and representations of the integers".
    """
    return 2 * (arguments.whole("number", number).bit_length() - 1) + 1
