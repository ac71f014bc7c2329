"""Every program of the engine is lowered for CUDA as a device would see it."""

import re

import jax
import numpy as np
import pytest

from ibjax.langevin import Config, programs
from ibjax.langevin.config import static
from ibjax.langevin.measured import enforced_clip
from ibjax.langevin.run import Pairs
from ibjax.langevin.tracked import Followed
from ibjax.networks import CNN, MLP, NormalisedCNN

IMAGE = (8, 8, 1)
SMALL = NormalisedCNN(((4, 2, 2, 0),), width=4)
ADAM = dict(optimizer="adam", clip=None)
RUNS = {
    "dense, account, layer noise": Config(MLP(2, 8, "tanh", 0.1), batch_size=5, account=True),
    "padded depth": Config(MLP(1, 8, "tanh", 0.1, padded_to=2), batch_size=5, account=True),
    "convolutions, account": Config(CNN(), batch_size=5, account=True),
    "batch statistics": Config(SMALL, batch_size=5, batching="whole_epochs", **ADAM),
    "half precision": Config(
        NormalisedCNN(((4, 2, 2, 0),), width=4, precision="bfloat16"), batch_size=5, **ADAM
    ),
    "followed slots": Config(MLP(1, 8), batch_size=5, batching="poisson"),
}


def lowered(monkeypatch, config, platform="cuda"):
    """The text of every program of a chunk of four replicas."""
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    tracked = config.drawn == "poisson"
    kind = Followed(20, (3, 1), 6, momentum=True, dim=8 * 65 + 2 * 9) if tracked else Pairs(20)
    shape = programs.Shape(kind, 4, (50, *IMAGE), "float32", 2, 1)
    found = programs.sources(static(config), shape)
    texts = {}
    with jax.default_matmul_precision(programs.PRECISIONS[config.products]):
        for name in ("prepare", "init", "advance", "evaluate"):
            source = getattr(found, name)
            if source is not None:
                low = source.function.trace(*source.arguments).lower(lowering_platforms=(platform,))
                texts[name] = low.as_text()
    return texts


@pytest.mark.parametrize("name", RUNS)
def test_no_program_calls_what_only_a_processor_has(name, monkeypatch):
    for part, text in lowered(monkeypatch, RUNS[name]).items():
        called = set(re.findall(r"custom_call @(\w+)", text))
        # sharding is a note to the compiler
        assert called <= {"Sharding", "cu_threefry2x32_ffi"}, (part, called)
        assert "custom_call_target" not in text or called, part


def products(text):
    """Types of the factors and the precision of every product of a program."""
    found = []
    for line in text.splitlines():
        if "stablehlo.dot_general" in line:
            kind = re.findall(r"tensor<[^>]*?(f32|bf16|f64)>", line)[0]
            found.append((kind, re.findall(r"precision = \[(\w+)", line)))
    return found


@pytest.mark.parametrize("wanted,precision", [("float32", "HIGHEST"), ("tensorfloat32", "HIGH")])
def test_products_keep_the_bits_that_were_asked_for(wanted, precision, monkeypatch):
    config = Config(MLP(2, 8, "tanh", 0.1), batch_size=5, account=True, products=wanted)
    found = products(lowered(monkeypatch, config)["advance"])
    assert found and set(map(str, found)) == {str(("f32", [precision]))}


def test_products_of_rounded_factors_ask_for_no_more_bits_than_they_have(monkeypatch):
    found = products(lowered(monkeypatch, RUNS["half precision"])["advance"])
    half = [precision for kind, precision in found if kind == "bf16"]
    assert half and all(precision in ([], ["DEFAULT"]) for precision in half)


@pytest.mark.parametrize("name", ["dense, account, layer noise", "followed slots"])
def test_batched_replicas_choose_a_quadrature_and_do_not_pay_for_both(name, monkeypatch):
    text = lowered(monkeypatch, RUNS[name])["advance"]
    assert len(re.findall(r'stablehlo\.case"?\(', text)) == 1


def rounded(x):
    """To 10 bits after the leading one, as factors of products in tensorfloat32 are."""
    fraction, power = np.frexp(x)
    return np.ldexp(np.round(fraction * 2**11) / 2**11, power)


def test_rounded_factors_lengthen_a_clipped_gradient_by_no_more_than_is_counted():
    """The worst that one may do: every factor half a digit below the next one."""
    half = 1 + 2.0**-11 + 2.0**-20
    inputs, delta = np.full(8, half), np.full(2, half / 8)  # of norm 4 half^2 / 8
    step = np.linalg.norm(np.outer(rounded(inputs), rounded(delta)))
    clip = np.linalg.norm(np.outer(inputs, delta))
    wanted, exact = (Config(clip=clip, products=p) for p in ("tensorfloat32", "float32"))
    assert clip * (1 + 2.0**-11) < step <= enforced_clip(wanted)
    assert enforced_clip(exact) == clip
    assert enforced_clip(Config(clip=None, products="tensorfloat32")) == np.inf


def test_an_unknown_precision_is_refused():
    with pytest.raises(ValueError, match="products='half' is unknown; use float32 or"):
        Config(products="half")
