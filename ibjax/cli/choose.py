"""`ibjax choose`: which bound or estimator for what one has."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ibjax.cli import exporting
from ibjax.cli.terminal import console

BOUNDS = (
    (
        "the training procedure alone: noise and clipping",
        "a certificate",
        "`individual`; with layers that contract also `depth`",
    ),
    (
        "noisy replicas, and unused examples to set against the used ones",
        "a number along the path that is never vacuous",
        "`trajectory_pair`, or `trajectory_cmi` where the training error is not known; on few "
        "steps or much noise `sample_gradient` is often the smaller one",
    ),
    (
        "the same with large n or a deep network",
        "a cost that does not grow with n",
        "`langevin.track` with a few followed examples: `k_ghost`, `negrea`",
    ),
    (
        "Langevin dynamics near equilibrium",
        "the smallest number of all",
        "`thermodynamic` over a grid of temperatures",
    ),
    (
        "any black-box learner that can be run again under new masks",
        "how tight an information bound can be",
        "`ld_cmi`, `single_loss`, `fast_rate`; `e_cmi` pooled and inverted as a pair at small "
        "training error; balanced masks where much is remembered",
    ),
    ("predictions only, labels kept apart", "the same", "`f_cmi`"),
    (
        "a deterministic network, any optimiser",
        "a certificate",
        "`posteriors.compress`, then `occam`: a quantised random subspace and its code length",
    ),
    (
        "a network and data to spare for its prior",
        "a certificate for a network with Gaussian weights",
        "`posteriors.learn_posterior`: PAC-Bayes with backprop",
    ),
    (
        "a Bayesian deep linear network of any width",
        "the exact divergence, evidence and predictions",
        "`infinite.finite_width_regression`, then `pac_bayes_kl`",
    ),
    (
        "plain SGD, no noise",
        "an explanation by flat minima",
        "`virtual_noise`; no certificate",
    ),
    (
        "stochastic networks, claims about depth",
        "what depth does to the gap",
        "`depth` beside `depth_published`, and `ibjax reproduce depth-trade-off` for what it does "
        "to the training error",
    ),
)
"""What one has, what one wants, and what to take."""

BOUNDS_NOTE = (
    "A bound that uses the training error (..._kl, ..._pair, fast_rate) is the better one where "
    "that error is small; one from supersamples wins when few examples are remembered. Bounds that "
    "take the information of another bound are given that bound as it is: an estimate stays one."
)

ESTIMATORS = (
    (
        "finite alphabets",
        "`mi.discrete` (known law), `mi.plug_in` corrected",
        "the plug-in alone is biased up by about (cells)/(2n)",
    ),
    (
        "continuous, up to about 5 dimensions in all",
        "`mi.ksg`",
        "biased down when I approaches log n; heavy tails",
    ),
    (
        "continuous, many dimensions, close to Gaussian",
        "`mi.cca`, after ranks `mi.gaussian_copula`",
        "sees nothing but correlation",
    ),
    (
        "continuous, many dimensions, not Gaussian",
        "`mi.neural` by infonce while I is well below the logarithm of the batch, else by doe",
        "infonce and nwj are lower bounds, nwj far below from a few nats on; doe errs either way; "
        "never compare two of them",
    ),
    (
        "hundreds of dimensions that share few",
        "`mi.latent` (learnt codes, then neighbours), `mi.k_sliced`",
        "below I; beyond about five shared dimensions far below",
    ),
    (
        "one continuous, one class label",
        "`mi.ross`; with ties or atoms `mi.mixed`",
        "high dimension: too small",
    ),
    (
        "layers with Gaussian noise",
        "`mi.sample_propagation`, sandwiched by `mi.kde_bounds`",
        "saturates at log n, and says so",
    ),
    (
        "a deterministic layer of continuous inputs",
        "nothing: I(X;T) is infinite or constant",
        "binned numbers measure how activations cluster",
    ),
    (
        "kernels",
        "`mi.renyi_information`, `mi.hsic`, `mi.cka` as diagnostics of geometry",
        "not I(X;T): the kernel width chooses the value",
    ),
)
"""The variables, what to take, and what to mind."""

ESTIMATORS_NOTE = (
    "Every estimate carries a standard error, the direction of its bias, and ok=False with a "
    "reason where it cannot be had. `ibjax mi` prints all that apply."
)

TABLES = {
    "bounds": (("you have", "and want", "take"), BOUNDS, BOUNDS_NOTE),
    "estimators": (("the variables", "take", "mind"), ESTIMATORS, ESTIMATORS_NOTE),
}


@dataclass(frozen=True)
class Choose:
    """Say which bound, or which estimator of mutual information, to take for what one has."""

    what: Annotated[Literal["bounds", "estimators"], tyro.conf.Positional] = "bounds"
    """What to choose."""
    table: Path | None = None
    """Where to write the table as well: .csv, .md or .tex."""


def execute(command: Choose) -> None:
    """Print the table, a rule between its rows."""
    from rich import box
    from rich.table import Table

    exporting.check_table(command.table)
    heads, rows, note = TABLES[command.what]
    made = Table(box=box.SIMPLE_HEAD, show_lines=True)
    for head in heads:
        made.add_column(head)
    for row in rows:
        made.add_row(*(cell.replace("`", "") for cell in row))
    out = console()
    out.print(made)
    out.print(note.replace("`", ""))
    exporting.write_table(command.table, heads, rows)
