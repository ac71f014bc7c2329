"""Rows of the information accountant: what the settings of a noisy run alone bound."""

from ibjax.bounds import account, per_example_information
from ibjax.bounds.falsification.rows import Row, known


def _asked(part: str, linear: bool = False):
    def given(step_sizes, noise_stds, clip, batching, batch_size, n, dim):
        found = account(
            step_sizes,
            noise_stds,
            clip=clip,
            batching=batching,
            batch_size=batch_size,
            n=n,
            dim=None if linear else dim,
        )
        return getattr(found, part)

    return given


def _at_error(part: str):
    def given(step_sizes, noise_stds, clip, batching, batch_size, n, dim, train_error):
        found = account(
            step_sizes,
            noise_stds,
            clip=clip,
            batching=batching,
            batch_size=batch_size,
            n=n,
            dim=dim,
            train_error=known(train_error),
        )
        return getattr(found, part)

    return given


def _last(step_sizes, noise_stds, clip, batching, batch_size, n, dim, radius):
    run = (step_sizes, noise_stds, clip, batching, batch_size, n, dim)
    return per_example_information(*run, radius=radius)


def _last_gap(step_sizes, noise_stds, clip, batching, batch_size, n, dim, radius):
    run = {"clip": clip, "batching": batching, "batch_size": batch_size, "n": n, "dim": dim}
    return account(step_sizes, noise_stds, **run, radius=radius).gap


# Ways to draw batches that a run of the library has; "disjoint" ones are given in advance.
_DRAWN = {"batching": ("full", "poisson", "without_replacement", "with_replacement", "epochs")}
_MEAN = "mean_conditional_information"

ROWS = (
    Row("account_per_example", _asked("per_example"), _MEAN, only=_DRAWN),
    Row("account_per_example_linear", _asked("per_example", True), _MEAN, only=_DRAWN),
    Row("account_per_sample", _asked("per_sample"), "information", only=_DRAWN),
    Row("account_per_sample_linear", _asked("per_sample", True), "information", only=_DRAWN),
    Row("account_gap", _asked("gap"), only=_DRAWN),
    Row("account_absolute_gap", _asked("absolute_gap"), only=_DRAWN),
    Row("account_test_error", _at_error("test_error"), "test_error", only=_DRAWN),
    Row("account_gap_at_error", _at_error("gap_at_error"), "gap", only=_DRAWN),
    Row("account_last_weights", _last, "last_information"),
    Row("account_last_weights_gap", _last_gap),
)
