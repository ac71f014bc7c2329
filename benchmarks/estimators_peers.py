"""What `estimators.py` is timed beside: published programs and plain ones, written out."""

import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np

PEER = """
import json, sys, time
import numpy as np
import npeet_plus
x, y = (np.load(f"{sys.argv[1]}/{v}.npy") for v in "xy")
times = []
for _ in range(2):
    start = time.process_time()
    value = float(npeet_plus.micd(x.reshape(len(x), -1), y[:, None], k=3, base=np.e))
    times.append(time.process_time() - start)
print(json.dumps({"cpu": min(times), "value": value}))
"""


def npeet(python: Path, x: np.ndarray, labels: np.ndarray) -> dict:
    """NPEET's estimate of a continuous variable and classes, by an interpreter that has it."""
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/x.npy", x)
        np.save(f"{folder}/y.npy", labels)
        command = [str(python), "-c", PEER, folder]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(said.splitlines()[-1])


def one_by_one(x: np.ndarray, y: np.ndarray, k: int = 3) -> float:
    """The estimator with atoms as published, each sample asked about alone."""
    from scipy.spatial import cKDTree
    from scipy.special import digamma

    n, both = len(x), np.hstack([x, y])
    trees = [cKDTree(z) for z in (both, x, y)]
    total = 0.0
    for i in range(n):
        radius = trees[0].query(both[i], k + 1, p=np.inf)[0][k]
        reach = radius - 1e-15 if radius > 0 else 1e-15
        near = k
        if radius == 0:
            near = len(trees[0].query_ball_point(both[i], reach, p=np.inf))
        sides = [len(t.query_ball_point(z[i], reach, p=np.inf)) for t, z in zip(trees[1:], (x, y))]
        total += digamma(near) + np.log(n) - digamma(sides[0]) - digamma(sides[1])
    return total / n


def coin_by_coin(losses: np.ndarray, mask: np.ndarray) -> float:
    """Mean information of loss differences (k2, n, 2) by tables: the laws by adding coins."""
    from ibjax.bounds.supersamples.polynomial import split_table

    first, second = losses[..., 0], losses[..., 1]
    up, down = (1 - first) * second, first * (1 - second)
    letters, tables, total = np.stack([down, 1 - down - up, up]), {}, 0.0
    for i in range(mask.shape[1]):
        sides = [np.flatnonzero(mask[:, i] == bit) for bit in (0, 1)]
        sides.sort(key=len)
        size = len(sides[0]), len(sides[1])
        if size not in tables:
            tables[size] = split_table(*size)
        for chances in letters[:, :, i]:
            laws = [np.ones(1), np.ones(1)]
            for place, side in enumerate(sides):
                for p in chances[side]:
                    laws[place] = np.convolve(laws[place], (1 - p, p))
            total += laws[0] @ tables[size] @ laws[1]
    return float(total / mask.shape[1])


def alternated(alphas: np.ndarray, noise: float = 0.1) -> np.ndarray:
    """The overlap for y = |z| + noise by iterating r = alpha snr(q), q = r / (1 + r) from above."""
    from scipy.stats import norm

    v = np.linspace(0, 8.5, 86)
    weight = np.where(v > 0, 2.0, 1.0) * norm.pdf(v) * (v[1] - v[0])

    def snr(q: float) -> float:
        s = 1 - q
        b, w = np.sqrt(s * noise * (s + noise)), np.sqrt(q) * v[:, None]
        y = np.linspace(-9 * np.sqrt(noise), 9 * np.sqrt(1 + noise), 1500)
        wide = np.sqrt(s + noise)
        side = [norm.pdf(y, t, wide) * norm.cdf((t * noise + y * s) / b) for t in (w, -w)]
        score = ((y - w) * side[0] - (y + w) * side[1]) / wide**2
        z = np.maximum(side[0] + side[1], 1e-290)
        return float(weight @ np.sum(score**2 / z, axis=1) * (y[1] - y[0]))

    found = []
    for alpha in alphas:
        q, old = 0.99, 0.0
        for _ in range(200):
            r = alpha * snr(q)
            q, old = r / (1 + r), q
            if abs(q - old) < 1e-9:
                break
        found.append(q)
    return np.array(found)
