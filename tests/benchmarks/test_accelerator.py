"""The accelerator's benchmark at tiny size, on the CPU at hand."""

import importlib.util
import json
import math
import subprocess
import sys
import time
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"
PARTS = ("ceilings", "reference", "agreement", "mlps", "fcmi", "kernels", "grid")


@pytest.fixture(scope="module")
def script():
    sys.path.insert(0, str(FOLDER))
    spec = importlib.util.spec_from_file_location("accelerator", FOLDER / "accelerator.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.path.remove(str(FOLDER))


@pytest.fixture(scope="module")
def result(script, tmp_path_factory):
    """One run with every part in this process, which has imported and compiled already."""
    place = tmp_path_factory.mktemp("accelerator") / "found.json"
    seen = []

    def here(name, folder, seconds, tiny):
        start = time.perf_counter()
        script.child(name, folder, tiny)
        seen.append(place.exists() and json.loads(place.read_text()))
        return "done", time.perf_counter() - start

    script.main(["--tiny", "--out", str(place)], attempt=here)
    return json.loads(place.read_text()), seen


def test_every_part_is_there_and_the_file_is_whole_after_each(result):
    found, seen = result
    assert list(found["parts"]) == list(PARTS)
    assert seen[0] is False and [len(s["parts"]) for s in seen[1:]] == list(range(1, len(PARTS)))
    assert found["platform"] == "cpu" and found["device"] and found["tiny"]


def test_batched_replicas_agree_with_single_ones(result):
    kind = result[0]["parts"]["agreement"]["kinds"]["mlp"]
    assert kind["agrees"] and kind["predictions_that_differ"] == 0


def test_rates_are_positive_and_shares_are_of_the_ceilings(result):
    parts = result[0]["parts"]
    peak = parts["ceilings"]["flops"]
    assert set(peak) == {"float32", "tensorfloat32", "bfloat16", "float64"}
    for row in parts["mlps"]["rows"].values():
        assert row["replica_steps_per_second"] > 0
        assert row["fraction_of_product"] == pytest.approx(row["flops"] / peak["float32"])
    for row in parts["fcmi"]["rows"]:
        assert row["program_bytes_a_replica"] > 4 * 217_000
        assert row["fraction_of_product"] == pytest.approx(row["flops"] / peak[row["precision"]])


def test_the_grid_is_extrapolated_from_the_best_rate(result):
    parts = result[0]["parts"]
    best = max(row["examples_per_second"] for row in parts["fcmi"]["rows"])
    whole = 150 * 200 * (75 + 250 + 1000 + 4000)
    assert min(parts["grid"]["extrapolated_seconds"].values()) == pytest.approx(whole / best)
    assert all(s > 0 for s in parts["grid"]["run"].values())


def test_a_difference_beyond_rounding_is_reported(script):
    import accelerator_engine

    assert not accelerator_engine.within("weights", 2e-4)
    assert not accelerator_engine.within("trajectory_cmi", "another shape, or finite elsewhere")
    assert not accelerator_engine.within("trajectory_cmi", math.nan)
    assert accelerator_engine.within("train_error", 0.1)


def test_a_part_that_takes_too_long_is_ended_and_one_that_fails_says_why(script, tmp_path):
    state, seconds = script.attempt("ceilings", tmp_path, 0.2, True)
    assert state.startswith("ended after") and seconds < 20
    done = subprocess.run(
        [
            sys.executable,
            str(FOLDER / "accelerator.py"),
            "--part",
            "ceilings",
            "--folder",
            tmp_path,
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode and "no accelerator is at hand" in done.stderr
