"""The benchmark of estimators at tiny size, and what it is timed beside."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def scripts(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    names = ("estimators", "estimators_peers", "fcmi_profile")
    yield [importlib.import_module(name) for name in names]
    for name in names:
        sys.modules.pop(name, None)


def test_parts_measure_the_same_number_as_their_peers(scripts):
    script, peers, _ = scripts
    for row in script.classes(20, None).values():
        assert row["ross"]["value"] == pytest.approx(row["scikit_learn"]["value"], abs=1e-4)
        assert set(row["ratios"]) == {"scikit_learn"} and row["ross"]["cpu"] > 0
    found = script.slices(100, None)
    assert found["n"] == 1000 and found["mb"] > 0
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 1))
    from ibjax import mi

    y = 0.6 * x + 0.8 * rng.normal(size=(200, 1))
    ours = float(mi.mixed(x, y, scale=None).value)
    assert peers.one_by_one(x, y) == pytest.approx(ours, abs=1e-4)
    # The overlap at alpha = 4, by adaptive quadrature.
    assert peers.alternated(np.array([4.0]))[0] == pytest.approx(0.9596091181705, abs=1e-6)


def test_a_part_joins_the_file(scripts, tmp_path):
    script, _, _ = scripts
    place = tmp_path / "found.json"
    place.write_text(json.dumps({"teacher": {"kept": 1}}))
    script.main(["--parts", "mixtures", "--shrink", "50", "--out", str(place)])
    found = json.loads(place.read_text())
    assert found["teacher"] == {"kept": 1} and found["mixtures"]["n"] == 200
    assert found["mixtures"]["ratios"]["one_by_one"] > 0 and "versions" in found


def test_products_are_read_off_a_program(scripts):
    import jax
    import jax.numpy as jnp

    _, _, profile = scripts

    def program(a, b):
        twice = jax.lax.scan(lambda c, _: (c @ b, None), a, None, length=2)[0]
        return jax.jit(lambda c: jnp.einsum("kij,kjl->kil", c, c))(jnp.stack([twice] * 3))

    shapes = jnp.ones((4, 4)), jnp.ones((4, 4))
    kinds = list(profile.products(jax.make_jaxpr(program)(*shapes).jaxpr))
    assert sorted(profile.work(kind) for kind in kinds) == [2 * 64, 2 * 64, 3 * 2 * 64]
    call, arguments = profile.alone(*kinds[0])
    assert call(*arguments).shape == (4, 4)
    assert profile.least(call, arguments, 2) > 0
