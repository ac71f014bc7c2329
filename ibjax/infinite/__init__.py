"""Infinitely wide networks: exact kernels, ensembles at any time, and their information.

Kernels come from a vocabulary that reads like the network (`serial`, `dense`, `activation`,
`conv`, ...) or, for fully connected ones, from `mlp_kernels`; `ensemble_information` turns them
into every information quantity of an infinite ensemble.
"""

from ibjax.infinite.empirical import empirical_ntk, linearise, linearised_flow
from ibjax.infinite.ensemble import EnsembleInformation, ensemble_information
from ibjax.infinite.errors import error_probability, pair_errors
from ibjax.infinite.finite_width import FiniteWidth, finite_width_error, finite_width_regression
from ibjax.infinite.kernel_matrix import Kernels, kernels, mlp, mlp_kernels, mlp_nngp_rate
from ibjax.infinite.layers import Layer, activation, dense, layer_norm, residual, serial
from ibjax.infinite.nonlinearity import Activation, leaky, quadrature
from ibjax.infinite.predictions import Prediction, gradient_flow, nngp_regression, ntk_regression
from ibjax.infinite.sandwich import Sandwich, gaussian_frontier, input_information
from ibjax.infinite.spatial import avg_pool, conv, flatten, global_avg_pool
from ibjax.infinite.spectrum import flow_steps, flow_time, largest_learning_rate
from ibjax.infinite.streaming import stream, stream_bytes
from ibjax.infinite.width_information import (
    FiniteWidthInformation,
    finite_width_information,
    scale_information,
)

__all__ = [
    "Activation",
    "EnsembleInformation",
    "FiniteWidth",
    "FiniteWidthInformation",
    "Kernels",
    "Layer",
    "Prediction",
    "Sandwich",
    "activation",
    "avg_pool",
    "conv",
    "dense",
    "empirical_ntk",
    "ensemble_information",
    "error_probability",
    "finite_width_error",
    "finite_width_information",
    "finite_width_regression",
    "flatten",
    "flow_steps",
    "flow_time",
    "gaussian_frontier",
    "global_avg_pool",
    "gradient_flow",
    "input_information",
    "kernels",
    "largest_learning_rate",
    "layer_norm",
    "leaky",
    "linearise",
    "linearised_flow",
    "mlp",
    "mlp_kernels",
    "mlp_nngp_rate",
    "nngp_regression",
    "ntk_regression",
    "pair_errors",
    "quadrature",
    "residual",
    "scale_information",
    "serial",
    "stream",
    "stream_bytes",
]
