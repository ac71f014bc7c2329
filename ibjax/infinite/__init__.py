"""Infinitely wide networks: exact kernels, ensembles at any time, and their information.

Kernels come from a vocabulary that reads like the network (`serial`, `dense`, `activation`,
`conv`, ...) or, for fully connected ones, from `mlp_kernels`; `ensemble_information` turns them
into every information quantity of an infinite ensemble.
"""

from ibjax.infinite.empirical import empirical_ntk as empirical_ntk
from ibjax.infinite.empirical import linearise as linearise
from ibjax.infinite.empirical import linearised_flow as linearised_flow
from ibjax.infinite.ensemble import EnsembleInformation as EnsembleInformation
from ibjax.infinite.ensemble import ensemble_information as ensemble_information
from ibjax.infinite.errors import error_probability as error_probability
from ibjax.infinite.errors import pair_errors as pair_errors
from ibjax.infinite.finite_width import FiniteWidth as FiniteWidth
from ibjax.infinite.finite_width import finite_width_error as finite_width_error
from ibjax.infinite.finite_width import finite_width_regression as finite_width_regression
from ibjax.infinite.kernel_matrix import Kernels as Kernels
from ibjax.infinite.kernel_matrix import kernels as kernels
from ibjax.infinite.kernel_matrix import mlp as mlp
from ibjax.infinite.kernel_matrix import mlp_kernels as mlp_kernels
from ibjax.infinite.kernel_matrix import mlp_nngp_rate as mlp_nngp_rate
from ibjax.infinite.layers import Layer as Layer
from ibjax.infinite.layers import activation as activation
from ibjax.infinite.layers import dense as dense
from ibjax.infinite.layers import layer_norm as layer_norm
from ibjax.infinite.layers import residual as residual
from ibjax.infinite.layers import serial as serial
from ibjax.infinite.nonlinearity import Activation as Activation
from ibjax.infinite.nonlinearity import leaky as leaky
from ibjax.infinite.nonlinearity import quadrature as quadrature
from ibjax.infinite.predictions import Prediction as Prediction
from ibjax.infinite.predictions import gradient_flow as gradient_flow
from ibjax.infinite.predictions import nngp_regression as nngp_regression
from ibjax.infinite.predictions import ntk_regression as ntk_regression
from ibjax.infinite.sandwich import Sandwich as Sandwich
from ibjax.infinite.sandwich import gaussian_frontier as gaussian_frontier
from ibjax.infinite.sandwich import input_information as input_information
from ibjax.infinite.spatial import avg_pool as avg_pool
from ibjax.infinite.spatial import conv as conv
from ibjax.infinite.spatial import flatten as flatten
from ibjax.infinite.spatial import global_avg_pool as global_avg_pool
from ibjax.infinite.spectrum import flow_steps as flow_steps
from ibjax.infinite.spectrum import flow_time as flow_time
from ibjax.infinite.spectrum import largest_learning_rate as largest_learning_rate
from ibjax.infinite.streaming import stream as stream
from ibjax.infinite.streaming import stream_bytes as stream_bytes
from ibjax.infinite.width_information import FiniteWidthInformation as FiniteWidthInformation
from ibjax.infinite.width_information import finite_width_information as finite_width_information
from ibjax.infinite.width_information import scale_information as scale_information
