"""The main job takes few programs of XLA: what is paid on every fresh machine."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "main_job.py"
OPTIONS = (
    "--depths 1 2 --width 4 --train-size 10 --supersamples 2 --masks 3 --steps 6 --checkpoints 2"
)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("main-job")
    command = [sys.executable, str(SCRIPT), "--child", str(folder / "found.json"), "--options"]
    options = [*OPTIONS.split(), "--out", str(folder / "results.nc")]
    # On one device, the programs of the sweeps that other tests run.
    one = os.environ | {"JAX_NUM_CPU_DEVICES": "1"}
    done = subprocess.run(command + options, cwd=folder, capture_output=True, text=True, env=one)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "found.json").read_text())


def test_a_sweep_takes_few_programs_and_three_a_depth(found):
    assert 6 + 2 <= found["xla"]["programs"] <= 36


def test_every_part_of_the_job_is_seen(found):
    named = {"imports", "data", "compilation", "training", "evaluation", "bounds", "files"}
    assert named | {"table and picture"} <= set(found["parts"])
    assert all(part["cpu"] >= 0 and part["wall"] >= 0 for part in found["parts"].values())
