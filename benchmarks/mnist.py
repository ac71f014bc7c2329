"""Certificates without noise on MNIST, and the information kept by students of known teachers.

    python benchmarks/mnist.py [--data-dir DIR] [--out FOLDER] [--steps 3000] [--only NAME]

The reproductions ``compression-mnist`` on all 60 000 examples, with fewer updates than its default
where time is short, and ``information-kept`` as it is by default. The table of each, its settings
and the processor time it took go to mnist.json beside this file, pictures to mnist-NAME.png; a part
that is not run keeps what the file has of it.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ibjax import environment, files
from ibjax.reproduce.outcome import Outcome
from ibjax.reproduce.posteriors import compression, compression_view
from ibjax.reproduce.teacher import kept

HERE = Path(__file__)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", help="TFDS data directory that holds MNIST")
    parser.add_argument("--out", type=Path, help="where the reproductions write")
    parser.add_argument("--steps", type=int, default=3000, help="updates of every training")
    parser.add_argument("--only", choices=("compression", "kept"))
    options = parser.parse_args()
    folder = options.out or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    place = HERE.with_suffix(".json")
    found = json.loads(place.read_text()) if place.exists() else {}
    found["made_with"] = environment.describe()
    if options.only != "kept":
        chosen = compression.Options(steps=options.steps, data_dir=options.data_dir)
        found["compression"] = part(compression.run, folder, chosen)
        found["compression"]["known"] = [row._asdict() for row in compression_view.KNOWN]
        place.write_text(json.dumps(found, indent=1) + "\n")
    if options.only != "compression":
        found["kept"] = part(kept.run, folder, kept.Options())
        place.write_text(json.dumps(found, indent=1) + "\n")


def part(run: Callable[..., Outcome], folder: Path, options: Any) -> dict[str, Any]:
    """One reproduction: its settings, every number of its file, and its processor time."""
    start = time.process_time()
    outcome = run(folder, False, lambda line: print(line, flush=True), options)
    spent = time.process_time() - start
    results, picture = outcome.files
    name = run.__module__.rsplit(".", 1)[1]
    HERE.with_name(f"mnist-{name}.png").write_bytes(Path(picture).read_bytes())
    dataset = files.read(results)
    settings = {k: v for k, v in asdict(options).items() if k != "data_dir"}
    return {
        "settings": settings,
        "processor_seconds": round(spent),
        "axes": {k: np.asarray(v).tolist() for k, v in dataset.coords.items()},
        "values": {
            name: {
                "axes": [str(d) for d in array.dims],
                "kind": array.attrs.get("kind", "measured"),
                # A file of results is JSON, which has no NaN.
                "values": _plain(np.asarray(array.values, float)),
            }
            for name, array in dataset.data_vars.items()
        },
    }


def _plain(values: np.ndarray) -> Any:
    if values.ndim:
        return [_plain(row) for row in values]
    return round(float(values), 6) if np.isfinite(values) else None


if __name__ == "__main__":
    main()
