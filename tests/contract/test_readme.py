"""The README's Python blocks run, its commands parse, its numbers are those of the result files."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from ibjax import rounding
from ibjax.cli import commands

README = Path(__file__).parents[2] / "README.md"
# The sizes of the sweeps in other tests: the program of all bounds is theirs.
SMALLER = {
    "steps=200": "steps=6",
    "steps=100": "steps=6",
    "supersamples=4, masks=20": "supersamples=2, masks=3",
    "supersamples=3, masks=10": "supersamples=2, masks=3",
    "n=100": "n=10",
    "width=32": "width=4",
}


def test_python_blocks_run(tmp_path, monkeypatch, capsys):
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.S)
    assert len(blocks) >= 4
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    masks = rng.integers(0, 2, (2, 8, 10))
    predictions = rng.integers(0, 2, (2, 8, 10, 2))
    names = {"predictions": predictions, "masks": masks, "mask": masks, "losses": predictions}
    for block in blocks:
        for large, small in SMALLER.items():
            block = block.replace(large, small)
        exec(compile(block, "README.md", "exec"), names)
    assert "gap" in capsys.readouterr().out and Path("saved.npz").exists()


COMMANDS = re.findall(r"^    ibjax (.*?)(?:  +#.*)?$", README.read_text(), re.M)


@pytest.mark.parametrize("words", COMMANDS)
def test_commands_are_understood(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("ibjax-results").mkdir()
    Path("ibjax-results/results.toml").write_text("steps = 200\n")  # as a run before wrote it
    commands.parse(words.split())


def result(name):
    return json.loads((README.parent / "benchmarks" / f"{name}.json").read_text())


def numbers():
    """What the README says beside a phrase, from the result files."""
    widths = result("replicas")["widths"].values()
    yield "small networks", ", ".join(f"{w['ratio_to_torch_loop']:.1f}" for w in widths)
    yield "the same networks", ", ".join(f"{w['ratio_to_before']['wall']:.1f}" for w in widths)
    fcmi = result("fcmi")
    plain, half = (
        fcmi["ratios"][f"ibjax_{kind}_over_torch_loop"]["wall"] for kind in ("float32", "bfloat16")
    )
    yield "f-CMI network, training", f"{plain:.1f}, in bfloat16 {half:.1f}"
    whole = fcmi["whole_trainings"]
    plain, half = (
        ", ".join(f"{w[f'ibjax_{kind}']['ratio_a_network']['wall']:.1f}" for w in whole)
        for kind in ("float32", "bfloat16")
    )
    yield "the same end to end", f"{plain}, in bfloat16 {half}"
    speed = result("mi_speed")["ratios"]
    yield "KSG, 10,000 points", f"{speed['1+1']['scikit_learn']:.1f}, {speed['5+5']['npeet']:.1f}"
    sized = result("estimators")
    classes = (sized["classes"][n]["ratios"]["scikit_learn"] for n in ("10000", "100000"))
    yield "labels against numbers", ", ".join(f"{r:.1f}*" for r in classes)
    yield "one supersample bound", f"{sized['supersamples']['ratios']['loop']:.0f}*"
    yield "NTK of 2,000", f"{result('infinite_kernels')['kernels'][0]['ratio_wall']:.2f}"
    yield "curve of the information", f"{result('ib_curve')['peer']['ratio']:.1f}"
    job = result("main_job")
    gains = (job["before"][k]["wall"] / job["after"][k]["wall"] for k in ("cold", "warm"))
    yield "`ibjax run`, first and later", ", ".join(f"{g:.1f}" for g in gains)
    found = result("certificates")
    rows = {r["n"]: r for r in found["rows"] if r["dataset"] == "mnist"}
    low, high = rows[5000]["certificate_over_gap_95"]
    first, last = (rows[n]["certificate_over_gap"] for n in (250, 5000))
    yield "| `individual` | 2", f"{first:.1f} | {last:.1f} (95 %: {low:.1f} to {high:.1f};"
    for words, name, digits in (
        ("published individual-sample", "revealed_over_gap", ".2g"),
        ("published form with the whole", "whole_batch_over_gap", ".0f"),
    ):
        yield words, " | ".join(f"{rows[n][name]:{digits}}" for n in (250, 5000))
    best = found["best"][0]
    yield "nearest of twelve", f"has {best['nearest']['bound_over_gap']:.1f}, at"
    yield "least training error plus", f"{best['lowest']['train_error_plus_bound']:.3f}, is"
    trained = result("mnist")["compression"]["values"]
    at_most = {name: rounding.up(min(trained[name]["values"])) for name in RISKS}
    yield "by a code of", f"at most {at_most['code_risk']} by a code of"
    yield "learnt on half", "(0.035), " + rounding.up(trained["posterior_risk"]["values"][0])
    yield "confidence a method", f"(0.141 measured), {at_most['posterior_risk']} by"


RISKS = ("code_risk", "posterior_risk")


@pytest.mark.parametrize("phrase, number", numbers())
def test_numbers_are_those_of_the_result_files(phrase, number):
    paragraph = re.sub(r"\n(?!\n|\||-)", " ", README.read_text())
    lines = [line for line in paragraph.splitlines() if phrase in line]
    assert len(lines) == 1 and number in lines[0], (number, lines)
