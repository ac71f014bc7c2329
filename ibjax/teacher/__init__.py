"""Bayes-optimal limits of two-layer and deep teachers through the equivalent linear model."""

from ibjax.teacher.branches import FixedPoints as FixedPoints
from ibjax.teacher.branches import Thresholds as Thresholds
from ibjax.teacher.branches import fixed_points as fixed_points
from ibjax.teacher.branches import thresholds as thresholds
from ibjax.teacher.constants import ActivationConstants as ActivationConstants
from ibjax.teacher.constants import activation_constants as activation_constants
from ibjax.teacher.constants import hermite_coefficients as hermite_coefficients
from ibjax.teacher.finite import kernel_information as kernel_information
from ibjax.teacher.finite import nngp_kernel as nngp_kernel
from ibjax.teacher.finite import rate_scale as rate_scale
from ibjax.teacher.free_convolution import Denoising as Denoising
from ibjax.teacher.free_convolution import denoise as denoise
from ibjax.teacher.hermite_parts import HermiteParts as HermiteParts
from ibjax.teacher.hermite_parts import hermite_parts as hermite_parts
from ibjax.teacher.limits import BayesLimits as BayesLimits
from ibjax.teacher.limits import bayes_limits as bayes_limits
from ibjax.teacher.passing import GampResult as GampResult
from ibjax.teacher.passing import StateEvolution as StateEvolution
from ibjax.teacher.passing import gamp as gamp
from ibjax.teacher.passing import state_evolution as state_evolution
from ibjax.teacher.quadratic import QuadraticLimits as QuadraticLimits
from ibjax.teacher.quadratic import quadratic_limits as quadratic_limits
from ibjax.teacher.quadratic import quadratic_threshold as quadratic_threshold
from ibjax.teacher.sampling import TeacherData as TeacherData
from ibjax.teacher.sampling import sample_linear_teacher as sample_linear_teacher
from ibjax.teacher.sampling import sample_network_teacher as sample_network_teacher
