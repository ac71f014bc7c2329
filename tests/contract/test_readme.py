"""The README's Python blocks run, at a smaller size, in the order they are printed."""

import re
from pathlib import Path

import numpy as np
import pytest

from ibjax.cli import commands

README = Path(__file__).parents[2] / "README.md"
SMALLER = {
    "steps=200": "steps=4",
    "steps=100": "steps=4",
    "supersamples=4, masks=20": "supersamples=2, masks=3",
    "supersamples=3, masks=10": "supersamples=2, masks=3",
    "n=100": "n=12",
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
