"""What is refused, or said, of a sweep before anything is trained."""

from types import SimpleNamespace
from typing import Any

import flax.linen as nn
import numpy as np
import pytest

from ibjax import sweep
from ibjax.experiment import Experiment
from ibjax.interface import Dataset
from ibjax.plan import plan

POOL = Dataset(np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32), np.arange(40) % 2,
               2, "own")  # fmt: skip


class Dropped(nn.Module):
    @nn.compact
    def __call__(self, x, train=False):
        return nn.Dense(2)(nn.Dropout(0.5, deterministic=not train)(x))


@pytest.mark.parametrize("clip", [5.0, (1.0, 2.0)])
def test_a_clip_that_nothing_clips_by_is_refused(clip, tmp_path):
    one = Experiment(dataset=POOL, network=Dropped(), train_size=10, clip=clip)
    with pytest.raises(ValueError, match=r"clip=.* is trained without per-example clipping"):
        plan(one, tmp_path / "r.nc")


@pytest.mark.parametrize(
    ("labels", "classes", "said"),
    [
        ([0, 1, 1], 2, ""),
        ([1, 2, 2], 3, "no example of 1 of its 3 classes (0),"),
        ([0, 9], 10, "no example of 8 of its 10 classes (1, 2, 3, 4, 5, ...)"),
    ],
)
def test_classes_without_an_example_are_told(labels, classes, said):
    told = []
    pool = SimpleNamespace(y=np.array(labels), num_classes=classes, name="own.npz")
    todo: Any = SimpleNamespace(pool=pool)
    sweep._tell_of_classes(todo, told.append)
    assert len(told) == bool(said) and said in "".join(told)
