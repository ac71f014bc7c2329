"""The premises of the theorems, one sentence each, with how each is checked."""

from ibjax.interface import Assumption

_ALL = (
    Assumption(
        "iid",
        "The examples are independent draws from one law.",
        "by the user; a random subset of a benchmark data set is taken to be one, and a set put "
        "together from copies is refused in training",
    ),
    Assumption(
        "bounded_loss",
        "The loss lies in [0, 1], hence is sub-Gaussian with parameter one half.",
        "holds for the 0-1 loss",
    ),
    Assumption(
        "sub_gaussian",
        "The loss of a fresh example is sigma-sub-Gaussian for every weight setting; where layers "
        "contract, that of one draw of their noise, not the mean over draws.",
        "holds for a loss bounded in an interval of length 2 sigma",
    ),
    Assumption(
        "label_range",
        "Given each label too the loss is sigma-sub-Gaussian, and its means given the labels lie "
        "in an interval of length loss_range, 2 sigma where that is not given.",
        "holds for a loss bounded in an interval of length 2 sigma",
    ),
    Assumption(
        "data_independent_batches",
        "Initial weights, batches and the stopping time are chosen without looking at the data; a "
        "run that was resumed counts its steps from the first.",
        "holds for every batching of the engine, and for initial weights that a network draws from "
        "its key; evidence from elsewhere must say so",
    ),
    Assumption(
        "clipped",
        "The norm of every per-example gradient is at most `clip`.",
        "enforced in training; the bound is missing where clip is infinite",
    ),
    Assumption(
        "class_number",
        "The number of classes is known, not counted from the labels that occur.",
        "that of the data set in the engine; the bound is missing where it was not given",
    ),
    Assumption(
        "every_replica",
        "The bound is about all replicas: a diverged one errs everywhere, and its steps were "
        "bounded like the others'.",
        "in training a gradient that is not finite counts as zero; elsewhere the bound is missing "
        "where a replica diverged",
    ),
    Assumption(
        "independent_runs",
        "Given the supersamples, every replica draws its own mask, batches and noise; equal and "
        "complementary masks count as one draw.",
        "the bound is missing where replicas share their batches, or where it is not known",
    ),
    Assumption(
        "hidden_batches",
        "Each replica draws its own batches, and the bound is about the mean over them.",
        "the membership of an example is counted as known where batches are shared",
    ),
    Assumption(
        "weight_noise",
        "Every step adds isotropic Gaussian noise to the weights after clipping.",
        "the bound is missing where a noise standard deviation is zero, and certificates where "
        "the gap of independent runs is larger than such steps allow",
    ),
    Assumption(
        "fresh_layer_noise",
        "Both errors are those of the network with fresh layer noise at evaluation.",
        "the engine averages over fresh draws",
    ),
    Assumption(
        "channel_contraction",
        "Each layer's coefficient holds for all inputs and all weights (exact or upper).",
        "from the range of the activation; 1 for a deterministic layer",
    ),
    Assumption(
        "supersample",
        "The training member of each pair is chosen by an independent fair coin.",
        "by construction of the masks; certificates are missing where their share of ones is rarer "
        "than one in a million, or two pairs have the same ones throughout",
    ),
    Assumption(
        "plug_in",
        "Mutual information is replaced by its plug-in estimate from the masks.",
        "no certificate: the estimate is biased up near zero, down near log 2 if masks are "
        "unbalanced",
    ),
    Assumption(
        "monte_carlo",
        "An expectation over training runs is replaced by the mean over the replicas.",
        "no certificate: see the standard error",
    ),
    Assumption(
        "upper_limit",
        "The training error lies below its upper confidence limit.",
        "with the confidence the bound carries, where replicas share no noise and no batches",
    ),
    Assumption(
        "fixed_prior",
        "The prior over weights is chosen without looking at the sample.",
        "by the user",
    ),
    Assumption(
        "prior_start",
        "Training starts from a draw of the prior, and its drift includes the prior's.",
        "by the user",
    ),
    Assumption(
        "continuous_time",
        "Langevin dynamics in continuous time, or corrected for its discretisation.",
        "false for plain SGLD with finite steps: the value is then an approximation",
    ),
    Assumption(
        "equilibrium",
        "The chains have reached their stationary law at every temperature.",
        "by the user; longer chains that change nothing speak for it",
    ),
    Assumption(
        "interpolation",
        "The training error is zero.",
        "the bound is missing where it is not",
    ),
    Assumption(
        "disjoint_batches",
        "The batches are a fixed partition of the sample.",
        "by the user",
    ),
    Assumption(
        "labels_contract",
        "The labels lose information in the layers as the inputs do, and hidden weights are "
        "independent of the sample.",
        "false in general: the formula is shown as published, as a diagnostic",
    ),
)


def assumptions() -> dict[str, Assumption]:
    """Every premise by name."""
    return {a.name: a for a in _ALL}
