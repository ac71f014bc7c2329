"""Array aliases with shapes, shared by every stage; imports nothing of ibjax.

Shapes are written with jaxtyping. One-axis shapes carry a leading space (``" n"``), as
jaxtyping and linters agree on. Information is in nats everywhere.
"""

from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from jax import Array as JaxArray
from jaxtyping import Bool, Float, Int, UInt8
from jaxtyping import PRNGKeyArray as Key

Array: TypeAlias = JaxArray | np.ndarray
"""Anything the numerical functions accept: a JAX or a NumPy array."""

Scalar: TypeAlias = Float[Array, ""] | float
"""A real scalar, traced or not."""

Numbers: TypeAlias = Annotated[Any, "real numbers"]
"""Real numbers in any form that becomes an array: a number, an array, nested lists."""

BoundKind: TypeAlias = Literal["certificate", "estimate", "diagnostic"]
"""What a bound is: see the section on kinds in the README."""

CoefficientKind: TypeAlias = Literal["exact", "upper", "lower", "estimate"]
"""What a contraction coefficient or an information value is, relative to the truth."""

Divergence: TypeAlias = Literal["kl", "tv", "chi2"]
"""The divergence a contraction coefficient is about."""

Scope: TypeAlias = Literal["channel", "input", "instance"]
"""For which inputs a contraction coefficient holds."""

BiasDirection: TypeAlias = Literal["none", "up", "down", "unknown"]
"""The direction in which an estimate errs on average."""

Subject: TypeAlias = Literal["", "sample", "posterior", "example", "pair", "loss", "bits", "other"]
"""What the information in a record is about; "" where its maker does not say."""

__all__ = [
    "Array",
    "BiasDirection",
    "Bool",
    "BoundKind",
    "CoefficientKind",
    "Divergence",
    "Float",
    "Int",
    "JaxArray",
    "Key",
    "Numbers",
    "Scalar",
    "Scope",
    "Subject",
    "UInt8",
]
