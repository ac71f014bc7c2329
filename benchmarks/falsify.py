"""Every bound of the library against exactly solved random learners and the adversary.

    python benchmarks/falsify.py [--out benchmarks/falsify.json]

For each row: models tried, violations, the largest truth / bound and the family that attains it.
Rows of kind diagnostic are published forms that are known to fail, or lack a premise here.
"""

import argparse
import json
import os
import time
from pathlib import Path

import jax
import numpy as np

from ibjax.bounds import falsify


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=10_000)
    parser.add_argument("--search", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/falsify.json"))
    args = parser.parse_args()
    start = time.process_time()
    verdicts = falsify(models=args.models, search=args.search, key=jax.random.key(args.seed))
    seconds = time.process_time() - start
    rows = []
    for v in verdicts.values():
        print(v)
        row = {"name": v.name, "kind": v.kind, "theorem": v.theorem, "bounds": v.truth}
        row |= {"models": v.models, "violations": v.violations}
        ratio = None if np.isinf(v.ratio) else round(v.ratio, 6)
        rows.append(row | {"largest_ratio": ratio, "family": v.family})
    result = {
        "what": "violations and largest truth / bound over exactly solved learners; null is inf",
        "settings": {k: v for k, v in vars(args).items() if k != "out"},
        "violated_theorems": [v.name for v in verdicts.values() if v.theorem and v.broken],
        "rows": rows,
        "cpu_seconds": round(seconds, 1),
        "machine": {"cores": os.cpu_count()},
        "versions": {"jax": jax.__version__},
    }
    args.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
