"""Bayes-optimal limits of two-layer and deep teachers through the equivalent linear model."""

from ibjax.teacher.constants import ActivationConstants as ActivationConstants
from ibjax.teacher.constants import activation_constants as activation_constants
from ibjax.teacher.constants import hermite_coefficients as hermite_coefficients
from ibjax.teacher.limits import BayesLimits as BayesLimits
from ibjax.teacher.limits import bayes_limits as bayes_limits
