"""How far certificates lie above the measured gap, and where they lay in the forms before.

    python benchmarks/certificates.py [--data-dir DIR] [--out FOLDER]

Every size is one set of noisy-SGD replicas; all columns are evaluated on the same runs:

certificate   I(Z;W) with the batches hidden, Pinsker's inequality without slack
revealed      the same steps with the membership in the batches known: the individual-sample bound
              for clipped batches as it is published
whole batch   every step as one channel of the whole batch, and I(S;W): the published bound for
              noisy, iterative algorithms
ld_cmi        the recommended estimate from the replicas, and its null

Writes certificates.json beside this file. MNIST is left out where it is not found.
"""

import argparse
import json
import math
import tempfile
from dataclasses import replace
from pathlib import Path

from ibjax import data, environment, results, sweep
from ibjax.cli.terminal import prepare_devices
from ibjax.report import summarise
from ibjax.reproduce import certified_mnist as study

DIGITS = study.Options(dataset="digits", sizes=(80, 140))
MNIST = study.Options(sizes=(250, 1000), masks=10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", help="TFDS data directory that holds MNIST")
    parser.add_argument("--out", type=Path, help="where the runs are kept, to go on later")
    options = parser.parse_args()
    prepare_devices(cache=True)
    folder = options.out or Path(tempfile.mkdtemp())
    studies = [DIGITS]
    try:
        data.load("mnist", classes=(4, 9), data_dir=options.data_dir)
        studies.append(replace(MNIST, data_dir=options.data_dir))
    except (OSError, ImportError) as error:
        print(f"mnist is left out: {error}")
    rows = [measured(s, n, folder) for s in studies for n in s.sizes]
    found = {"made_with": environment.describe(), "rows": rows}
    Path(__file__).with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")


def measured(options: study.Options, n: int, folder: Path) -> dict[str, float | str | None]:
    """One size: the gap with its interval, the certificate, and the forms before."""
    experiment = study.at_size(options, n)
    dataset = sweep.run(experiment, folder / f"{options.dataset}-{n}.nc")
    point = study.point_of(n, summarise(dataset), results.evidence(dataset, 1))
    row = point.summary.row
    gap = float(row("gap").values[0])
    null = row("ld_cmi").null
    found = {
        "dataset": options.dataset,
        "n": n,
        "batch_size": experiment.batch_size,
        "steps": experiment.steps,
        "learning_rate": experiment.learning_rate,
        "inverse_temperature": experiment.inverse_temperature,
        "replicas": point.summary.replicas,
        "train_error": float(row("train error").values[0]),
        "gap": gap,
        "gap_half_width_95": float(row("gap").errors[0]),
        "certificate": float(row("individual").values[0]),
        "at_training_error": float(row("individual_at_error").values[0]),
        "certificate_over_gap": study.ratio(point),
        "revealed": point.revealed,
        "revealed_over_gap": point.revealed / gap,
        "whole_batch": point.whole_batch,
        "whole_batch_over_gap": point.whole_batch / gap,
        "ld_cmi": float(row("ld_cmi").values[0]),
        "ld_cmi_null": math.nan if null is None else float(null[0]),
    }
    print({k: round(v, 4) if isinstance(v, float) else v for k, v in found.items()}, flush=True)
    return found


if __name__ == "__main__":
    main()
