"""Estimators at size, beside other programs in the same run.

    python benchmarks/estimators.py [--peers PYTHON] [--parts classes teacher ...]

Parts:

classes       `mi.ross` beside scikit-learn's and (`--peers`, an interpreter that has `npeet_plus`)
              NPEET's, 10,000 and 100,000 samples.
mixtures      `mi.mixed` of half zeros, 10,000 samples, beside the program of Gao et al.: trees
              asked about one sample after the other (its value is larger: it counts ties strictly).
slices        `mi.sliced` and `mi.k_sliced` on 100,000 x 3, eight slices, beside a loop of
              scikit-learn's estimator over the same number of projections.
crossover     seconds by trees over seconds by blocks, by dimension and samples: what
              `ibjax.mi.host` chooses by.
table         every estimator that `ibjax mi` runs on 100,000 x 3, its seconds and the peak of
              memory; no peer runs so many.
supersamples  one checkpoint's bounds and nulls, 1,000 masks of 4,000 pairs, with compilation and
              without, and the peak of memory; one bound beside a loop of scikit-learn's
              `mutual_info_score` over pairs.
coins         bounds from real losses, 1,000 masks of 250 pairs: `bounds.ld_cmi` by tables of little
              bias with its error over masks (thirty groups left out), and five deals of its null,
              beside one mean over the tosses without any error, one coin after the other, and a
              loop of scikit-learn's nearest neighbours over pairs (of the loss, no coin: another
              number).
teacher       `teacher.bayes_limits("abs", 200 alphas, noise=.1)` without compilation, beside
              alternating the two equations by SciPy's quadrature, for a few of the alphas.

Each part runs in a process of its own. Ratios are of the least processor seconds of several turns,
which other jobs of the machine touch least; the load is kept beside them.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from estimators_peers import alternated, coin_by_coin, npeet, one_by_one

PARTS = ("classes", "mixtures", "slices", "crossover", "table", "supersamples", "coins", "teacher")


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=list(PARTS))
    parser.add_argument("--peers", type=Path, help="a Python interpreter with npeet_plus")
    parser.add_argument("--shrink", type=int, default=1, help="divide every size, to try it")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/estimators.json"))
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    args = parser.parse_args(given)
    if args.part:
        print(json.dumps(globals()[args.part](args.shrink, args.peers)))
        return
    result = json.loads(args.out.read_text()) if args.out.exists() else {}
    result["what"] = "estimators at size; processor seconds, the least of several turns"
    for part in args.parts:
        before = os.getloadavg()[0]
        command = [sys.executable, __file__, "--part", part, "--shrink", str(args.shrink)]
        command += ["--peers", str(args.peers)] if args.peers else []
        said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        found = json.loads(said.splitlines()[-1])
        result[part] = found | {"load": [round(before, 1), round(os.getloadavg()[0], 1)]}
        print(part, json.dumps(result[part]), flush=True)
        args.out.write_text(json.dumps(result | _machine(), indent=2) + "\n")


def _machine() -> dict:
    import jax
    import sklearn

    return {
        "machine": {"cores": os.cpu_count()},
        "versions": {
            "jax": jax.__version__,
            "numpy": np.__version__,
            "sklearn": sklearn.__version__,
        },
    }


def turns(calls: dict[str, Callable[[], Any]], repeats: int = 3) -> dict:
    """Each call in turn: the least processor seconds, the least wall seconds, the value."""
    found: dict[str, dict] = {name: {"cpu": np.inf, "wall": np.inf} for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            wall, cpu = time.perf_counter(), time.process_time()
            found[name]["value"] = float(call())
            spent = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
            for clock, seconds in spent.items():
                found[name][clock] = round(min(found[name][clock], seconds), 4)
    return found


def ratios(found: dict, ours: str) -> dict:
    return {k: round(v["cpu"] / found[ours]["cpu"], 2) for k, v in found.items() if k != ours}


def peak() -> int:
    """Megabytes."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)


def classes(shrink: int, peers: Path | None) -> dict:
    from sklearn.feature_selection import mutual_info_classif

    from ibjax import mi

    out = {}
    for n in (10_000 // shrink, 100_000 // shrink):
        rng = np.random.default_rng(0)
        x = rng.normal(size=n)
        labels = np.digitize(0.6 * x + 0.8 * rng.normal(size=n), [-1.0, 0.0, 1.0])
        found = turns(
            {
                "ross": lambda x=x, y=labels: mi.ross(x, y).value,
                "scikit_learn": lambda x=x, y=labels: mutual_info_classif(x[:, None], y)[0],
            },
            5,
        )
        if peers:
            found["npeet"] = npeet(peers, x, labels)
        out[str(n)] = found | {"ratios": ratios(found, "ross")}
    return out


def mixtures(shrink: int, peers: Path | None) -> dict:
    from ibjax import mi

    n = 10_000 // shrink
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 1))
    y = 0.6 * x + 0.8 * rng.normal(size=(n, 1))
    x = np.where(rng.random((n, 1)) < 0.5, 0.0, x)
    x, y = x / x.std(), y / y.std()
    calls = {"mixed": lambda: mi.mixed(x, y).value, "one_by_one": lambda: one_by_one(x, y)}
    found = turns(calls, 2)
    return {"n": n, **found, "ratios": ratios(found, "mixed")}


def three(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 3))
    return x, 0.6 * x + 0.8 * rng.normal(size=(n, 3))


def slices(shrink: int, peers: Path | None) -> dict:
    import jax
    from sklearn.feature_selection import mutual_info_regression

    from ibjax import mi

    (x, y), key, number = three(100_000 // shrink), jax.random.key(0), 8
    directions = np.random.default_rng(0).normal(size=(2, number, 3))

    def loop() -> float:
        each = [mutual_info_regression((x @ a)[:, None], y @ b)[0] for a, b in zip(*directions)]
        return float(np.mean(each))

    calls = {
        "sliced": lambda: mi.sliced(key, x, y, slices=number).value,
        "scikit_learn_loop": loop,
        "k_sliced_2": lambda: mi.k_sliced(key, x, y, dim=2, slices=number).value,
    }
    found = turns(calls, 2)
    return {"n": len(x), "slices": number, **found, "ratios": ratios(found, "sliced"), "mb": peak()}


def crossover(shrink: int, peers: Path | None) -> dict:
    from ibjax import mi

    found: dict[str, Any] = {}
    for dims, sizes in {
        4: (1000, 4000),
        5: (3000, 6000),
        6: (5000, 10_000),
        7: (25_000,),
        8: (60_000,),
    }.items():
        for n in (size // shrink for size in sizes):
            rng = np.random.default_rng(0)
            z = rng.normal(size=(2, n, dims)).astype(np.float32)
            x, y = z[0][:, : dims // 2], z[1][:, : dims - dims // 2]
            mi.ksg(x[:50], y[:50], method="blocks")
            calls = {
                how: lambda x=x, y=y, how=how: mi.ksg(x, y, method=how).value
                for how in ("blocks", "tree")
            }
            spent = turns(calls, 2)
            found[f"{dims}, {n}"] = round(spent["tree"]["cpu"] / spent["blocks"]["cpu"], 2)
    return {"tree_over_blocks": found}


def table(shrink: int, peers: Path | None) -> dict:
    import jax

    from ibjax import mi

    x, y = three(100_000 // shrink)
    rows = {}
    with jax.enable_x64(True):
        for e in mi.estimators():
            if e.applies_to != "continuous" or e.together > 6 or e.samples > len(x):
                continue
            given = (jax.random.key(0),) if e.random else ()
            call = turns({e.name: lambda e=e, given=given: e.function(*given, x, y).value}, 1)
            rows |= call
    total = round(sum(row["cpu"] for row in rows.values()), 1)
    return {"n": len(x), "rows": rows, "cpu": total, "mb": peak()}


def supersamples(shrink: int, peers: Path | None) -> dict:
    import jax
    from sklearn.metrics import mutual_info_score

    from ibjax import bounds

    masks, pairs = 1000 // shrink, 4000 // shrink
    rng = np.random.default_rng(0)
    mask = rng.integers(0, 2, (1, masks, pairs))
    chance = np.where(np.arange(2) == mask[..., None], 0.02, 0.2)
    losses = (rng.random(chance.shape) < chance).astype(int)
    found: dict[str, Any] = {"masks": masks, "pairs": pairs, "arrays_mb": mask.nbytes * 3 // 10**6}

    def spent(call: Callable[[], Any]) -> dict:
        return turns({"": lambda: (jax.block_until_ready(jax.tree.leaves(call())), 0.0)[1]}, 1)[""]

    def loop() -> float:
        change = losses[0, ..., 1] - losses[0, ..., 0]
        info = [mutual_info_score(change[:, i], mask[0, :, i]) for i in range(pairs)]
        return float(np.mean(info))

    with jax.enable_x64(True):
        now = bounds.at(bounds.from_arrays({"mask": mask, "losses": losses}))
        for name, call in {"bounds": bounds.evaluate, "nulls": bounds.row_nulls}.items():
            found[f"{name}_compiled"] = spent(lambda call=call: call(now))
            found[name] = spent(lambda call=call: call(now))
        found["mb"] = peak()
        bounds.ld_cmi(losses, mask)
        calls = {"ld_cmi": lambda: bounds.ld_cmi(losses, mask).information, "loop": loop}
        one = turns(calls, 2)
    return found | {"one_bound": one, "ratios": ratios(one, "ld_cmi")}


def coins(shrink: int, peers: Path | None) -> dict:
    import jax
    from sklearn.feature_selection import mutual_info_classif

    from ibjax import bounds

    masks, pairs = 1000 // shrink, 250 // shrink
    rng = np.random.default_rng(0)
    mask = rng.integers(0, 2, (1, masks, pairs))
    losses = rng.beta(np.where(np.arange(2) == mask[..., None], 0.5, 1.0), 3.0)
    change = losses[0, ..., 1] - losses[0, ..., 0]
    little: dict[str, Any] = {"correction": "polynomial"}

    def nearest() -> float:
        info = [mutual_info_classif(change[:, [i]], mask[0, :, i])[0] for i in range(pairs)]
        return float(np.mean(info))

    with jax.enable_x64(True):
        calls = {
            "ld_cmi": lambda: bounds.ld_cmi(losses, mask, **little).information,
            "null": lambda: bounds.null(bounds.ld_cmi, losses, mask, draws=5, **little).information,
            "plug_in": lambda: bounds.ld_cmi(losses, mask).information,
            "coin_by_coin": lambda: coin_by_coin(losses[0], mask[0]),
            "scikit_learn_loop": nearest,
        }
        first = time.process_time()
        for name in ("ld_cmi", "null", "plug_in"):
            calls[name]()
        first = time.process_time() - first
        found = turns(calls, 2)
    return {
        "masks": masks,
        "pairs": pairs,
        **found,
        "first_calls_cpu": round(first, 2),
        "ratios": ratios(found, "ld_cmi"),
    }


def teacher(shrink: int, peers: Path | None) -> dict:
    import jax

    from ibjax import teacher

    alphas = np.geomspace(0.1, 10.0, 200 // shrink)
    some = alphas[alphas > 1][:: max(len(alphas) // 8, 1)]

    def curve() -> float:
        return float(np.mean(teacher.bayes_limits("abs", alphas, noise=0.1).q))

    with jax.enable_x64(True):
        start = time.process_time()
        curve()
        first = time.process_time() - start
        ours = turns({"curve": curve})["curve"]
        wanted = np.asarray(teacher.bayes_limits("abs", some, noise=0.1).q)
    plain = turns({"plain": lambda: np.abs(alternated(some) - wanted).max()}, 1)["plain"]
    each = {"ours": ours["cpu"] / len(alphas), "alternated": plain["cpu"] / len(some)}
    return {
        "alphas": len(alphas),
        **ours,
        "with_compilation_cpu": round(first, 2),
        "cpu_ms_an_alpha": {k: round(1e3 * v, 2) for k, v in each.items()},
        "ratios": {"alternated": round(each["alternated"] / each["ours"], 1)},
        "largest_difference_of_q": plain["value"],
    }


if __name__ == "__main__":
    main()
