"""`ibjax account`: numbers before training, advice, the table; mistakes in one line."""

import csv

import pytest

from ibjax import cli

MNIST = (
    "account --n 5000 --batch-size 500 --steps 200 --learning-rate .3 --inverse-temperature 1000 "
    "--clip 1"
)


def test_account_prints_before_anything_is_trained(tmp_path, capsys):
    out = tmp_path / "account.csv"
    layers = "--depth 2 --layer-noise 2 --num-classes 2"
    words = f"{MNIST} --batching poisson --train-error .1 {layers} --table {out}"
    assert cli.main(words.split()) == 0
    said = " ".join(capsys.readouterr().out.split())
    for text in ("certificate, 95 %", "T eta beta C^2/(4 n^2)", "n = 10000: ", "noise 2"):
        assert text in said
    with out.open() as file:
        rows = {row["quantity"]: row for row in csv.DictReader(file)}
    assert float(rows["I(Z_i; W)"]["value"]) == pytest.approx(0.000600145813, rel=1e-8)
    assert float(rows["I(S; W)"]["value"]) == pytest.approx(3.001, abs=6e-4)
    assert float(rows["rule of thumb"]["value"]) == pytest.approx(0.0006)
    assert float(rows["expected gap"]["value"]) == pytest.approx(0.01732, abs=1e-5)
    gap = float(rows["gap at that error"]["value"])
    assert float(rows["test error"]["value"]) == pytest.approx(0.1 + gap)
    assert float(rows["depth"]["value"]) < float(rows["expected gap"]["value"])
    assert rows["expected gap"]["kind"] == "certificate"


def test_a_batch_that_is_too_small_is_called_so(tmp_path, capsys):
    out = tmp_path / "account.md"
    words = f"account --n 1000 --batch-size 4 --batching epochs --steps 3 --table {out}"
    assert cli.main(words.split()) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "the batch is too small for this temperature" in said
    assert "r is below one half from batch_size = 11 on" in said
    assert "Batches drawn as poisson" in said
    assert "the batch is too small for this temperature" in out.read_text()


def test_a_ball_for_the_last_weights(tmp_path, capsys):
    words = "account --n 40 --batch-size 40 --steps 20 --learning-rate .2 --inverse-temperature .4"
    out, found = tmp_path / "account.csv", []
    for more, said in (
        ("", ""),
        ("--radius .1", "The ball of radius 0.1 leaves"),
        ("--radius 9", "The ball of radius 9 wears nothing away"),
    ):
        assert cli.main([*words.split(), *more.split(), "--table", str(out)]) == 0
        printed = " ".join(capsys.readouterr().out.split())
        assert said in printed and ("last weights" in printed) == bool(said)
        with out.open() as file:
            rows = {row["quantity"]: row for row in csv.DictReader(file)}
        found.append(float(rows["I(Z_i; W)"]["value"]))
    assert found[1] < 0.3 * found[0] and found[2] == found[0]


@pytest.mark.parametrize("words, message", [
    ("--radius 0", "radius=0.0 must be positive"),
    ("--radius nan", "radius=nan is no number"),
    ("--batch-size 900", "batch_size=900 exceeds n=800"),
    ("--batch-size 0", "batch_size=0 must be at least 1"),
    ("--steps 0", "steps=0 must be at least 1"),
    ("--clip 0", "clip=0.0 must be positive"),
    ("--inverse-temperature nan", "inverse_temperature=nan is no number"),
    ("--batching shuffle", "--batching"),
    ("--batching full --batch-size 10", "batching='full' with batch_size=10"),
    ("--train-error 2", "train_error=2 exceeds loss_range=1"),
    ("--table account.txt", "must end in .csv, .md, .tex"),
    ("--table /nowhere/account.csv", "no such folder"),
    ("--delta 1e-5 --batch-size 8", "batching (for eps(delta)"),
    ("--depth -1", "must not be negative"),
])  # fmt: skip
def test_mistakes_end_in_one_line(words, message, capsys):
    assert cli.main(["account", *words.split()]) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1
