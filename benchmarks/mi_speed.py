"""How fast the nearest-neighbour estimator is, beside other programs in the same run.

    python benchmarks/mi_speed.py [--peers PYTHON] [--large] [--out benchmarks/mi_speed.json]

scikit-learn's estimator takes one coordinate each; in more dimensions the peer is the usual
program on trees (one k-d tree of pairs for the distance, two of the marginals for the counts),
written out below. `--peers` names a Python interpreter that has NPEET (`npeet`) or the package of
Czyz et al. (`bmi`), which are then timed on the same samples. All settings: k = 3, algorithm 1.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

PEER = """
import json, sys, time
import numpy as np
folder, repeats = sys.argv[1], int(sys.argv[2])
found = {}
for case in sys.argv[3:]:
    x, y = np.load(f"{folder}/{case}-x.npy"), np.load(f"{folder}/{case}-y.npy")
    calls = {}
    try:
        from npeet import entropy_estimators as npeet
        calls["npeet"] = lambda: npeet.mi(x, y, k=3, base=np.e)
    except ImportError:
        pass
    try:
        import bmi
        kind = bmi.estimators.KSGEnsembleFirstEstimator
        settings = {"neighborhoods": (3,), "standardize": False, "metric_x": "chebyshev"}
        calls["bmi"] = lambda: kind(**settings).estimate(x, y)
    except ImportError:
        pass
    for name, call in calls.items():
        times = []
        for _ in range(repeats):
            start = time.perf_counter()
            value = float(call())
            times.append(time.perf_counter() - start)
        found.setdefault(case, {})[name] = {"seconds": min(times), "value": value}
print(json.dumps(found))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--peers", type=Path, help="a Python interpreter with npeet or bmi")
    parser.add_argument("--large", action="store_true", help="run 100,000 points by blocks too")
    parser.add_argument("--memory", nargs=2, metavar=("N", "METHOD"), help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/mi_speed.json"))
    parser.add_argument(
        "--many", action="store_true", help="the 100,000 points only, kept with the rest"
    )
    args = parser.parse_args()
    if args.memory:
        print(json.dumps(one_large_call(int(args.memory[0]), args.memory[1])))
        return
    if args.many:
        stored = json.loads(args.out.read_text())
        args.out.write_text(json.dumps(stored | {"many": many(args.repeats)}, indent=2) + "\n")
        return
    import jax

    rows = compared(args.n, args.repeats, args.peers)
    result = {
        "what": "seconds of one nearest-neighbour estimate (k = 3), the least of several calls",
        "n": args.n,
        "rows": rows,
        "ratios": ratios(rows),
        "sixty_four": layers_by_checkpoints(args.repeats),
        "memory": memory(args.large),
        "many": many(args.repeats),
        "machine": {"cores": os.cpu_count(), "load": os.getloadavg()[0]},
        "versions": {"jax": jax.__version__, "numpy": np.__version__},
    }
    args.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result["ratios"], indent=2))


def correlated(n: int, dim: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, dim)).astype(np.float32)
    return x, (0.6 * x + 0.8 * rng.normal(size=(n, dim))).astype(np.float32)


def compared(n: int, repeats: int, peers: Path | None) -> dict:
    """Ours by both methods, scikit-learn's and trees, call by call in turn."""
    from sklearn.feature_selection import mutual_info_regression

    from ibjax import mi

    rows = {}
    samples = {f"{d}+{d}": correlated(n, d) for d in (1, 2, 3, 5)}
    for case, (x, y) in samples.items():
        calls = {
            "ibjax": lambda x=x, y=y: mi.ksg(x, y).value,
            "ibjax_blocks": lambda x=x, y=y: mi.ksg(x, y, method="blocks").value,
            "ibjax_tree": lambda x=x, y=y: mi.ksg(x, y, method="tree").value,
            "trees": lambda x=x, y=y: by_trees(x, y),
        }
        if x.shape[1] == 1:
            calls["scikit_learn"] = lambda x=x, y=y: mutual_info_regression(x, y[:, 0])[0]
        times = {name: [] for name in calls}
        for call in calls.values():
            float(call())  # compiled, imported
        for _ in range(repeats):
            for name, call in calls.items():
                start = time.perf_counter()
                value = float(call())
                times[name].append((time.perf_counter() - start, value))
        rows[case] = {k: {"seconds": min(v)[0], "value": v[0][1]} for k, v in times.items()}
        print(case, {k: round(v["seconds"], 3) for k, v in rows[case].items()}, flush=True)
    if peers:
        with tempfile.TemporaryDirectory() as folder:
            for case, (x, y) in samples.items():
                np.save(f"{folder}/{case}-x.npy", x)
                np.save(f"{folder}/{case}-y.npy", y)
            command = [str(peers), "-c", PEER, folder, str(min(repeats, 2)), *samples]
            found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        for case, theirs in json.loads(found.splitlines()[-1]).items():
            rows[case] |= theirs
    return rows


def by_trees(x: np.ndarray, y: np.ndarray, k: int = 3) -> float:
    """The estimate from scikit-learn's k-d trees, as NPEET makes it."""
    from scipy.special import digamma
    from sklearn.neighbors import KDTree

    joint = np.hstack([x, y])
    radius = KDTree(joint, metric="chebyshev").query(joint, k + 1)[0][:, -1]
    inside = [
        KDTree(z, metric="chebyshev").query_radius(z, radius - 1e-15, count_only=True)
        for z in (x, y)
    ]
    mean = np.mean(digamma(inside[0]) + digamma(inside[1]))
    return float(digamma(k) + digamma(len(x)) - mean)


def ratios(rows: dict) -> dict:
    """How many times faster we are than each other program, by dimension."""
    ours = {case: row["ibjax"]["seconds"] for case, row in rows.items()}
    others = ("trees", "scikit_learn", "npeet", "bmi")
    return {
        case: {o: round(row[o]["seconds"] / ours[case], 2) for o in others if o in row}
        for case, row in rows.items()
    }


def layers_by_checkpoints(repeats: int, n: int = 500, dim: int = 5) -> dict:
    """64 estimates in one vmapped call and one after another."""
    import jax

    from ibjax import mi

    x, y = (np.stack(v) for v in zip(*[correlated(n, dim)] * 64))
    together = jax.jit(jax.vmap(mi.ksg))
    calls = {
        "one_call": lambda: together(x, y).value,
        "one_by_one": lambda: [float(mi.ksg(a, b).value) for a, b in zip(x, y)],
    }
    found = {"n": n, "dimensions": f"{dim}+{dim}"}
    for name, call in calls.items():
        jax.block_until_ready(call())
        times = []
        for _ in range(repeats):
            start = time.perf_counter()
            jax.block_until_ready(call())
            times.append(time.perf_counter() - start)
        found[f"{name}_seconds"] = round(min(times), 3)
    return found


def many(repeats: int, n: int = 100_000) -> dict:
    """Every estimator by neighbours at 100,000 points, smooth and half zeros, beside peers."""
    from sklearn.feature_selection import mutual_info_classif, mutual_info_regression

    from ibjax import mi

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, n))
    y = 0.6 * x + 0.8 * y
    classes = np.digitize(y, [-1.0, 0.0, 1.0])
    wide = np.stack([x, *rng.normal(size=(2, n))], axis=1)
    zero = rng.random(n) < 0.5
    found = {"n": n, "load": os.getloadavg()[0]}
    for case, z in (
        ("1+1", x),
        ("1+1, half zeros", np.where(zero, 0.0, x)),
        ("3+1", wide),
        ("3+1, half zeros", np.where(zero[:, None], 0.0, wide)),
    ):
        calls = {
            "ksg": lambda z=z: mi.ksg(z, y).value,
            "mixed": lambda z=z: mi.mixed(z, y).value,
            "ross": lambda z=z: mi.ross(z, classes).value,
        }
        if z.ndim == 1:
            column = z[:, None]
            calls["scikit_learn"] = lambda c=column: mutual_info_regression(c, y)[0]
            calls["scikit_learn_classes"] = lambda c=column: mutual_info_classif(c, classes)[0]
        times = {name: [] for name in calls}
        for _ in range(repeats):
            for name, call in calls.items():
                start = time.perf_counter()
                float(call())
                times[name].append(time.perf_counter() - start)
        found[case] = {name: round(min(v), 3) for name, v in times.items()}
        print(case, found[case], flush=True)
    return found


def memory(large: bool) -> dict:
    """What 100,000 points need: by XLA's account of the program, and measured in a process."""
    import jax

    from ibjax.mi.knn import _by_blocks
    from ibjax.mi.neighbours import rows_at_once

    n = 100_000
    spec = jax.ShapeDtypeStruct((n, 5), np.float32)
    program = _by_blocks.lower(spec, spec, 3, 1, rows_at_once(n, None), True).compile()
    found = {
        "n": n,
        "dimensions": "5+5",
        "all_pairs_would_take_mb": round(n * n * 4 / 1e6),
        "blocks_temporary_mb": round(program.memory_analysis().temp_size_in_bytes / 1e6, 1),
    }
    for method in ("tree", "blocks") if large else ("tree",):
        command = [sys.executable, __file__, "--memory", str(n), method]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        found[f"{method}_1+1_measured"] = json.loads(said)
    return found


def one_large_call(n: int, method: str) -> dict:
    """Peak memory of a process before and after one call in 1 + 1 dimensions."""
    from ibjax import mi

    peak = resource.getrusage
    x, y = correlated(n, 1)
    mi.ksg(x[:1000], y[:1000], method=method)
    before = peak(resource.RUSAGE_SELF).ru_maxrss / 1e3
    start = time.perf_counter()
    value = float(mi.ksg(x, y, method=method).value)
    return {
        "seconds": round(time.perf_counter() - start, 2),
        "added_mb": round(peak(resource.RUSAGE_SELF).ru_maxrss / 1e3 - before, 1),
        "value": value,
        "truth": -0.5 * float(np.log1p(-0.36)),
    }


if __name__ == "__main__":
    main()
