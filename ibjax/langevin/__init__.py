"""Noisy SGD: the optax transformation, schedules, and the replica engine."""

from ibjax.langevin.config import Config as Config
from ibjax.langevin.config import hyper as hyper
from ibjax.langevin.gradients import step_gradient as step_gradient
from ibjax.langevin.losses import cross_entropy as cross_entropy
from ibjax.langevin.observed import Trained as Trained
from ibjax.langevin.replicas import run_replicas as run_replicas
from ibjax.langevin.replicas import train as train
from ibjax.langevin.tracker import Track as Track
from ibjax.langevin.tracker import track as track
from ibjax.langevin.transform import noise_std as noise_std
from ibjax.langevin.transform import sgld as sgld
from ibjax.langevin.weights import load_weights as load_weights
from ibjax.langevin.weights import save_weights as save_weights
