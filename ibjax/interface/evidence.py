"""What was measured on the replicas of one configuration: a whole run, or one moment of it."""

import math
from typing import Any, NamedTuple

from ibjax.typing import Array

BATCHINGS = (
    "full",
    "epochs",
    "whole_epochs",
    "without_replacement",
    "poisson",
    "fixed",
    "with_replacement",
)
"""Ways to draw batches, in the order of their codes in `Evidence.batching`."""


class Evidence(NamedTuple):
    """Everything measured on the replicas of one configuration; bounds are arithmetic on it.

    Leading axes: k1 supersamples, k2 masks; E checkpoints; n pairs; T steps; L hidden layers.
    Missing pieces are NaN arrays of the right shape (or shape ()), never None.

    Attributes:
        index: pool positions of the pairs, (k1, n, 2).
        mask: training column of each pair, (k1, k2, n).
        labels: (k1, n, 2); -1 where they are not known and `predictions` holds the 0-1 loss.
        predictions: predicted class, one fresh draw of the layer noise, (k1, k2, E, n, 2).
        train_error: 0-1 error on the training members, averaged over noise draws, (k1, k2, E);
            1, as the test error, where the replica diverged.
        test_error: the same on the ghosts.
        train_loss: training loss (surrogate) at the checkpoints, (k1, k2, E).
        diverged: whether the parameters left the finite numbers, (k1, k2).
        checkpoints: steps done at each checkpoint, (E,).
        step_sizes: eta_t, (T,); NaN where the update rule has none that are known.
        noise_stds: standard deviation of the noise added to the weights, (T,); 0 for none, or
            none of this form.
        clip: per-example gradient norm bound enforced in training; inf if none.
        gradient_norm: root mean square, over the choice of the batch, of the largest norm a step's
            gradient can have; for the record, since bounds derive it from `clip` and `batching`.
        batch_size: b, a float scalar.
        dim: number of trained parameters d.
        gradient_information: cumulative sum of eta^2 |g_B|^2 / (2 s^2), (k1, k2, E).
        sample_information: cumulative sum of eta^2 / (2 s^2) * (1/n) sum_{i in B} |g_i|^2/b^2.
        incoherence_information: the same with the gradient of the average of the other
            examples subtracted (Negrea et al. prior), (k1, k2, E).
        trajectory_cmi: information of the path about which member of a pair was trained on,
            mean over pairs, Rao-Blackwell estimate, (k1, k2, E); NaN if not accounted for.
        trajectory_cmi_llr: the same from the log-likelihood ratio alone.
        test_prior_information: cost of the binary-test prior (Haghifam et al.), the same shape.
        likelihood_ratio: mean likelihood ratio of wrong to right; expectation 1 (a check).
        layer_diameter: (L,).
        layer_noise: (L,).
        layer_log1m: log(1 - eta_l) of each hidden layer, channel scope, exact or upper, (L,).
        num_classes: K, a float scalar.
        exchangeable: 1 where batches and stopping were chosen independently of the data.
        batching: how batches were drawn, a position in `BATCHINGS`; NaN where it is not known,
            and the worst of them is then counted.
        smallest_batch: fewest examples that a step's gradient was averaged over: b, and less
            where a last batch is shorter and divided by its own size.
        shared_batches: 1 where all replicas saw the same batches, so that the measured gap is
            the one given these; 0 where each drew its own.
        bounded_steps: 1 where every example's gradient was kept within `clip`, also one that was
            not finite, so that the bounds cover replicas that diverged.
        classes_given: 1 where `num_classes` is known, not counted from the labels that occur.
        membership_information: sum over steps of what each tells about which member was trained
            on, given the path before it and not the mask: mean over pairs, rounded upwards,
            (k1, k2, E). Its mean over masks and seeds is that of `trajectory_cmi`, but no value
            exceeds a quarter of the largest divergences, so that it has confidence limits.
        radius: of the ball the weights were projected to before each step, where what was
            evaluated are those of the last step, themselves or projected; inf for no projection,
            and NaN, where it is not known, counts as that.
    """

    index: Array
    mask: Array
    labels: Array
    predictions: Array
    train_error: Array
    test_error: Array
    train_loss: Array
    diverged: Array
    checkpoints: Array
    step_sizes: Array
    noise_stds: Array
    clip: Array
    gradient_norm: Array
    batch_size: Array
    dim: Array
    gradient_information: Array
    sample_information: Array
    incoherence_information: Array
    trajectory_cmi: Array
    trajectory_cmi_llr: Array
    test_prior_information: Array
    likelihood_ratio: Array
    layer_diameter: Array
    layer_noise: Array
    layer_log1m: Array
    num_classes: Array
    exchangeable: Array
    batching: Any = math.nan
    smallest_batch: Any = math.nan
    shared_batches: Any = math.nan
    bounded_steps: Any = math.nan
    classes_given: Any = math.nan
    membership_information: Any = math.nan
    radius: Any = math.nan


class Moment(Evidence):
    """The evidence of one checkpoint: the fields of `Evidence` without their checkpoint axis.

    A type of its own, so that a whole run and one moment of it cannot be taken for each other;
    `bounds.at` makes it. ``checkpoints`` is then the number of steps done, and the sizes of later
    steps are zero.
    """

    __slots__ = ()
