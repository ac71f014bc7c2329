"""How far certificates lie above the measured gap, and where they lay in the forms before.

    python benchmarks/certificates.py [--data-dir DIR] [--out FOLDER]

The runs of `ibjax reproduce certified-mnist`, and digits at two sizes; given the same folder, those
that are there are not repeated. Every row is one set of noisy-SGD replicas, all columns of it are
evaluated on them:

certificate   I(Z;W) with the batches hidden, Pinsker's inequality without slack
at_error      the same information at the measured training error, an estimate
revealed      the same steps with the membership in the batches known: the individual-sample bound
              for clipped batches as it is published
whole_batch   every step as one channel of the whole batch, and I(S;W): the published bound for
              noisy, iterative algorithms
trajectory    what the path tells of the masks, given the pairs: an estimate
ld_cmi        the recommended estimate from the replicas, and its null

`rows` go over n at one budget ``T eta beta C^2/4`` a data set; `best` has for each bound, of 12 settings, the
one with the least training error plus bound and the one with the least bound over gap.

Writes certificates.json beside this file. MNIST is left out where it is not found.
"""

import argparse
import json
import math
import tempfile
from pathlib import Path
from typing import Any

from ibjax import data, environment
from ibjax.cli.terminal import prepare_devices
from ibjax.interface import Dataset
from ibjax.reproduce.certified import mnist as study
from ibjax.reproduce.certified import view as view
from ibjax.reproduce.certified.points import BOUNDS, Point, Setting, point

DIGITS = study.Options(dataset="digits", sizes=(80, 140), budget=100.0, compared=())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", help="TFDS data directory that holds MNIST")
    parser.add_argument("--out", type=Path, help="where the runs are kept, to go on later")
    options = parser.parse_args()
    prepare_devices(cache=True)
    folder = options.out or Path(tempfile.mkdtemp())
    studies = [(DIGITS, data.load("digits", classes=(4, 9)))]
    try:
        pool = data.load("mnist", classes=(4, 9), data_dir=options.data_dir)
        studies.append((study.Options(), pool))
    except (OSError, ImportError) as error:
        print(f"mnist is left out: {error}")
    rows, best = [], []
    for chosen, pool in studies:
        rows += [measured(study.at_size(chosen, n), pool, folder) for n in chosen.sizes]
        for n in chosen.compared:
            grid = [trained(s, pool, folder) for s in study.compared_at(chosen, n)]
            best += [at_best(grid, name) for name in BOUNDS]
    found = {"made_with": environment.describe(), "rows": rows, "best": best}
    Path(__file__).with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")


def trained(setting: Setting, pool: Dataset, folder: Path) -> Point:
    """One set of replicas, where the reproduction keeps them too."""
    return point(setting, pool, folder / "certified-mnist", print)[0]


def measured(setting: Setting, pool: Dataset, folder: Path) -> dict[str, Any]:
    """One size: the gap with its interval, the certificate, and the forms before."""
    p = trained(setting, pool, folder)
    low, high = p.gap - p.half_width, p.gap + p.half_width
    certificate = p.bounds["individual"]
    found = {
        **described(p),
        "replicas": setting.supersamples * setting.masks,
        "train_error": p.train,
        "gap": p.gap,
        "gap_half_width_95": p.half_width,
        "certificate": certificate,
        "certificate_over_gap": p.ratio(),
        "certificate_over_gap_95": [certificate / high, certificate / low if low > 0 else math.inf],
        "at_error": p.bounds["individual_at_error"],
        "measured_norms": p.bounds["sample_gradient"],
        "revealed": p.bounds["revealed"],
        "revealed_over_gap": p.ratio("revealed"),
        "whole_batch": p.bounds["whole_batch"],
        "whole_batch_over_gap": p.ratio("whole_batch"),
        "trajectory": p.bounds["trajectory_cmi"],
        "ld_cmi": p.bounds["ld_cmi"],
        "ld_cmi_null": p.null,
    }
    print({k: round(v, 5) if isinstance(v, float) else v for k, v in found.items()}, flush=True)
    return found


def at_best(grid: list[Point], name: str) -> dict[str, Any]:
    """A bound at the settings that suit it: for the test error it says, and for its ratio."""
    low = view.lowest(grid, name)
    near = view.nearest(view.measurable(grid), name)
    found = {
        "bound": BOUNDS[name],
        "kind": low.kinds[name],
        "lowest": {
            **described(low),
            "train_error": low.train,
            "train_error_plus_bound": low.test_bound(name),
        },
    }
    if near is not None:
        found["nearest"] = {
            **described(near),
            "train_error": near.train,
            "bound_over_gap": near.ratio(name),
        }
    return found


def described(p: Point) -> dict[str, Any]:
    """What identifies the settings of a row."""
    s = p.setting
    return {
        "dataset": s.dataset,
        "n": s.n,
        "batch_size": s.batch_size,
        "steps": s.steps,
        "learning_rate": s.learning_rate,
        "inverse_temperature": s.temperature,
        "budget": s.budget,
    }


if __name__ == "__main__":
    main()
