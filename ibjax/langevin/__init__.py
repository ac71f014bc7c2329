"""Noisy SGD: the optax transformation, schedules, and the replica engine."""

from ibjax.langevin.config import Config, hyper
from ibjax.langevin.gradients import step_gradient
from ibjax.langevin.losses import cross_entropy
from ibjax.langevin.observed import Trained
from ibjax.langevin.replicas import run_replicas, train
from ibjax.langevin.swept import Settings, train_many
from ibjax.langevin.tracker import Track, track
from ibjax.langevin.transform import noise_std, sgld
from ibjax.langevin.weights import load_weights, save_weights

__all__ = [
    "Config",
    "Settings",
    "Track",
    "Trained",
    "cross_entropy",
    "hyper",
    "load_weights",
    "noise_std",
    "run_replicas",
    "save_weights",
    "sgld",
    "step_gradient",
    "track",
    "train",
    "train_many",
]
