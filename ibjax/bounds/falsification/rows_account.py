"""Rows of the information accountant: what the settings of a noisy run alone bound."""

from ibjax import bounds
from ibjax.bounds.falsification.rows import Row, fed

_RUN = "step_sizes noise_stds clip=clip batching=batching batch_size=batch_size n=n"
_STEPS = "step_sizes noise_stds clip batching batch_size n dim"


def _asked(part: str, *more: str, **options):
    """One bound of the account; `more` of what it may be told besides."""

    def bound(*args, **keywords):
        return getattr(bounds.account(*args, **keywords), part)

    return fed(
        bound, " ".join((_RUN, *(f"{word.removesuffix('!')}={word}" for word in more))), **options
    )


# Ways to draw batches that a run of the library has; "disjoint" ones are given in advance.
_DRAWN = {"batching": ("full", "poisson", "without_replacement", "with_replacement", "epochs")}
_MEAN = "mean_conditional_information"

ROWS = (
    Row("account_per_example", _asked("per_example", "dim"), _MEAN, only=_DRAWN),
    Row("account_per_example_linear", _asked("per_example", dim=None), _MEAN, only=_DRAWN),
    Row("account_per_sample", _asked("per_sample", "dim"), "information", only=_DRAWN),
    Row("account_per_sample_linear", _asked("per_sample", dim=None), "information", only=_DRAWN),
    Row("account_gap", _asked("gap", "dim"), only=_DRAWN),
    Row("account_absolute_gap", _asked("absolute_gap", "dim"), only=_DRAWN),
    Row(
        "account_test_error",
        _asked("test_error", "dim", "train_error!"),
        "test_error",
        only=_DRAWN,
    ),
    Row("account_gap_at_error", _asked("gap_at_error", "dim", "train_error!"), "gap", only=_DRAWN),
    Row(
        "account_last_weights",
        fed(bounds.per_example_information, f"{_STEPS} radius=radius"),
        "last_information",
    ),
    Row("account_last_weights_gap", _asked("gap", "dim", "radius")),
)
