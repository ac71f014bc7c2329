"""Bayes-optimal limits of two-layer and deep teachers through the equivalent linear model."""

from ibjax.teacher.branches import FixedPoints, Thresholds, fixed_points, thresholds
from ibjax.teacher.constants import ActivationConstants, activation_constants, hermite_coefficients
from ibjax.teacher.finite import kernel_information, nngp_kernel, rate_scale
from ibjax.teacher.free_convolution import Denoising, denoise
from ibjax.teacher.hermite_parts import HermiteParts, hermite_parts
from ibjax.teacher.limits import BayesLimits, bayes_limits
from ibjax.teacher.passing import GampResult, StateEvolution, gamp, state_evolution
from ibjax.teacher.quadratic import QuadraticLimits, quadratic_limits, quadratic_threshold
from ibjax.teacher.sampling import TeacherData, sample_linear_teacher, sample_network_teacher

__all__ = [
    "ActivationConstants",
    "BayesLimits",
    "Denoising",
    "FixedPoints",
    "GampResult",
    "HermiteParts",
    "QuadraticLimits",
    "StateEvolution",
    "TeacherData",
    "Thresholds",
    "activation_constants",
    "bayes_limits",
    "denoise",
    "fixed_points",
    "gamp",
    "hermite_coefficients",
    "hermite_parts",
    "kernel_information",
    "nngp_kernel",
    "quadratic_limits",
    "quadratic_threshold",
    "rate_scale",
    "sample_linear_teacher",
    "sample_network_teacher",
    "state_evolution",
    "thresholds",
]
