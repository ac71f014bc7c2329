"""Bias, error and coverage of estimates of the information of a mask bit.

    python benchmarks/supersample_bias.py [--out benchmarks/supersample_bias.json]

Pairs of a single 0-1 loss with rate p when trained on and q when not, balanced masks, replicas
independent. Bias and standard deviation of one pair are exact (all tables, by their binomial
weights). Errors of a mean over 1,000 pairs follow from them, and the share of intervals
mean +- 1.96 true standard errors that cover. The interval of the library (jackknife over couples
of masks, largest bias on both sides) is simulated.
"""

import argparse
import json
import os
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import brentq
from scipy.stats import binom, norm

from ibjax import bounds
from ibjax.bounds.supersamples import plugin, polynomial

MASKS, INFORMATION, PAIRS = (10, 30, 100, 1000), (0.0, 0.01, 0.05, 0.2), 1000
MIXTURE = ((0.6, 0.02, 0.02), (0.25, 0.02, 0.1), (0.1, 0.0, 0.3), (0.05, 0.05, 0.8))
"""A population of pairs: share, rate when trained on, rate when not."""


def information(p, q):
    letter = polynomial.letter_information
    return float(letter(np.array(p), np.array(q)) + letter(np.array(1 - p), np.array(1 - q)))


def laws() -> dict[str, list[tuple[float, float, float]]]:
    """Populations by name: mixtures of (share, p, q)."""
    found = {}
    for wanted in INFORMATION:
        apart = (
            brentq(lambda d, w=wanted: information(0.5 - d, 0.5 + d) - w, 0, 0.5) if wanted else 0
        )
        found[f"half and half, {wanted:g} nats"] = [(1.0, 0.5 - apart, 0.5 + apart)]
    found["rare, 0 nats"] = [(1.0, 0.05, 0.05)]
    for wanted in INFORMATION[1:]:
        # A memoriser that is never wrong on what it saw.
        rate = brentq(lambda q, w=wanted: information(0.0, q) - w, 1e-6, 1)
        found[f"interpolating, {wanted:g} nats"] = [(1.0, 0.0, rate)]
    found["mixture"] = list(MIXTURE)
    return found


def estimates(draws: int) -> dict[str, np.ndarray]:
    """Every estimate on every table of two letters, (draws + 1, draws + 1)."""
    a, b = np.meshgrid(np.arange(draws + 1), np.arange(draws + 1), indexing="ij")
    tables = np.stack([np.stack([a, draws - a], -1), np.stack([b, draws - b], -1)], -2)
    tables = tables.astype(float)
    found = {
        name or "plug-in": np.asarray(plugin.mutual_information(tables, name))
        for name in (None, "miller_madow", "jackknife")
    }
    # The mean over permutations depends on the sum of a and b alone.
    sums = np.arange(2 * draws + 1)
    first = np.minimum(sums, draws)
    margins = np.stack(
        [np.stack([first, draws - first], -1), np.stack([sums - first, draws - sums + first], -1)],
        -2,
    )
    null = np.asarray(plugin.permutation_mean(margins.astype(float), 2 * draws))
    found["permutation"] = found["plug-in"] - null[a + b]
    h = polynomial.table(draws)
    found["polynomial"] = h + h[::-1, ::-1]
    return found


def exact(masks: int) -> list[dict]:
    """Bias, spread and coverage of each estimate for each population."""
    draws = masks // 2
    counts, tables, rows = np.arange(draws + 1), estimates(draws), []
    for name, law in laws().items():
        truth = sum(share * information(p, q) for share, p, q in law)
        for estimate, table in tables.items():
            mean = square = 0.0
            for share, p, q in law:
                first, second = binom.pmf(counts, draws, p), binom.pmf(counts, draws, q)
                mean += share * (first @ table @ second)
                square += share * (first @ table**2 @ second)
            bias, spread = mean - truth, np.sqrt(max(square - mean**2, 1e-30))
            error = spread / np.sqrt(PAIRS)
            shift = bias / error
            rows.append(
                {
                    "masks": masks,
                    "population": name,
                    "information": round(truth, 5),
                    "estimate": estimate,
                    "bias": round(bias, 6),
                    "spread_of_a_pair": round(spread, 6),
                    "root_mean_square_error": round(float(np.hypot(bias, error)), 6),
                    "coverage": round(float(norm.cdf(1.96 - shift) - norm.cdf(-1.96 - shift)), 3),
                }
            )
    return rows


def simulated(masks: int, trials: int, pairs: int) -> list[dict]:
    """Cover of value +- 1.96 errors of `single_loss` for the root of the mean information."""
    rng = np.random.default_rng(masks)
    half = rng.integers(2, size=(1, masks // 2, pairs))
    bits = np.stack([half, 1 - half], 2).reshape(1, masks, pairs)
    ghost = np.arange(2) != bits[..., None]
    rows = []
    calls = {
        name: jax.jit(jax.vmap(lambda e, c=name: bounds.single_loss(e, bits, correction=c)))
        for name in ("polynomial", "conservative")
    }
    for population, law in laws().items():
        shares, p, q = np.array(law).T
        kind = rng.choice(len(law), pairs, p=shares)
        truth = np.sqrt(2 * np.mean([information(p[k], q[k]) for k in kind]))
        chance = np.where(ghost, q[kind][:, None], p[kind][:, None])
        losses = jnp.asarray(rng.random((trials, *ghost.shape)) < chance)
        for name, call in calls.items():
            value = call(losses)
            low, high = (np.asarray(value.value + s * 1.96 * value.std_error) for s in (-1, 1))
            rows.append(
                {
                    "masks": masks,
                    "pairs": pairs,
                    "population": population,
                    "estimate": name,
                    "root": round(float(truth), 4),
                    "mean_value": round(float(value.value.mean()), 4),
                    "coverage": round(float(np.mean((low <= truth) & (truth <= high))), 3),
                    "mean_not_below": bool(value.value.mean() >= truth),
                }
            )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/supersample_bias.json"))
    args = parser.parse_args()
    start = time.process_time()
    with jax.enable_x64(True):
        rows = [row for masks in MASKS for row in exact(masks)]
        intervals = [
            row for masks in MASKS[:3] for row in simulated(masks, args.trials, args.pairs)
        ]
    result = {
        "what": "bias, error and coverage of estimates of the information of a mask bit",
        "settings": {k: v for k, v in vars(args).items() if k != "out"},
        "pairs_of_the_mean": PAIRS,
        "largest_bias": {m: round(polynomial.largest_bias(m // 2, 2), 6) for m in MASKS},
        "rows": rows,
        "intervals": intervals,
        "cpu_seconds": round(time.process_time() - start, 1),
        "machine": {"cores": os.cpu_count()},
        "versions": {"jax": jax.__version__},
    }
    args.out.write_text(json.dumps(result, indent=1) + "\n")
    for row in rows:
        if row["population"] == "mixture":
            print(row)
    for row in intervals:
        print(row)


if __name__ == "__main__":
    main()
