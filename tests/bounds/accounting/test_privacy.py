"""eps(delta) beside the nats: reference values, and the composition that gives them."""

import sys
import types

import numpy as np
import pytest
from scipy import integrate
from scipy.special import ndtr

from ibjax.bounds import mixture_kl
from ibjax.bounds.accounting import privacy

REFERENCE = [  # q, r, steps, delta; eps of dp-accounting 0.6.0, losses in intervals of 1e-4
    (0.1, 0.05, 200, 1e-5, 0.2350123614),
    (0.1, 0.5, 200, 1e-5, 3.3596607441),
    (1.0, 0.05, 50, 1e-5, 1.3564673776),
    (0.5, 1.0, 3, 1e-3, 3.8657456896),
    (0.5, 1.0, 1, 1e-2, 1.4518678693),
    (0.1, 0.5, 1, 1e-3, 0.1404512814),
    (0.2, 2.0, 1, 1e-2, 3.0044235280),
]


def hockey_stick(eps, q, r):
    """delta of one step for removing an example, and for adding one."""
    ratio = (np.exp(eps) - 1 + q) / q
    x = (np.log(ratio) + r * r / 2) / r
    removed = (1 - q) * ndtr(-x) + q * ndtr(r - x) - np.exp(eps) * ndtr(-x)
    ratio = (np.exp(-eps) - 1 + q) / q
    y = (np.log(ratio) + r * r / 2) / r if ratio > 0 else -np.inf
    added = ndtr(y) - np.exp(eps) * ((1 - q) * ndtr(y) + q * ndtr(y - r))
    return removed, added


def composed(eps, q, r, steps, interval=2.5e-4, size=2**17):
    """delta of removing an example in several steps: the law of the loss, by its transform."""
    losses = interval * (np.arange(size) - size // 2)
    edges = losses - interval / 2
    inside = np.exp(edges) > 1 - q
    x = (np.log(np.where(inside, (np.exp(edges) - 1 + q) / q, 1.0)) + r * r / 2) / r
    below = np.where(inside, (1 - q) * ndtr(x) + q * ndtr(x - r), 0.0)
    mass = np.diff(np.append(below, 1.0))
    total = np.fft.irfft(np.fft.rfft(np.fft.ifftshift(mass)) ** steps, size)
    total = np.fft.fftshift(total)
    above = losses > eps
    return float(np.sum(total[above] * -np.expm1(eps - losses[above])))


@pytest.mark.parametrize("q, r, steps, delta, eps", REFERENCE)
def test_reference_values_follow_from_the_losses(q, r, steps, delta, eps):
    """No package: the same curve by convolution, from one Gaussian, or in closed form."""
    if q == 1:
        r, steps = r * np.sqrt(steps), 1  # Gaussian steps compose to a Gaussian step
    if steps == 1:
        assert max(hockey_stick(eps, q, r)) == pytest.approx(delta, rel=2e-6)
    else:
        assert composed(eps, q, r, steps) == pytest.approx(delta, rel=3e-3)


@pytest.mark.parametrize("q, r, steps, delta, eps", REFERENCE)
def test_the_package_gives_the_reference_values(q, r, steps, delta, eps):
    pytest.importorskip("dp_accounting", reason="needs the extra: pip install 'ibjax[dp]'")
    found = privacy.epsilon(np.full(steps, r), q, delta)
    assert found == pytest.approx(eps, rel=1e-5)


def test_what_the_package_is_asked(monkeypatch):
    """One Gaussian mechanism of multiplier 1/r for each shift, sampled, as often as it occurs."""
    composed_events, asked = [], []

    class Accountant:
        def compose(self, event, count):
            composed_events.append((event, count))

        def get_epsilon(self, delta):
            asked.append(delta)
            return 0.25

    fake = types.ModuleType("dp_accounting")
    fake.GaussianDpEvent = lambda noise_multiplier: ("gauss", noise_multiplier)  # pyright: ignore
    fake.PoissonSampledDpEvent = lambda q, event: ("poisson", q, event)  # pyright: ignore
    fake.pld = types.SimpleNamespace(PLDAccountant=Accountant)  # pyright: ignore
    monkeypatch.setitem(sys.modules, "dp_accounting", fake)
    assert privacy.epsilon(np.array([0.5, 0.25, 0.0, 0.5]), 0.1, 1e-5) == 0.25
    assert composed_events == [
        (("poisson", 0.1, ("gauss", 4.0)), 1),
        (("poisson", 0.1, ("gauss", 2.0)), 2),
    ]
    composed_events.clear()
    privacy.epsilon(np.array([0.5, 0.5]), 1.0, 1e-6)
    assert composed_events == [(("gauss", 2.0), 2)] and asked == [1e-5, 1e-6]


LOSSES = [  # q, r; mean privacy loss by dp-accounting 0.6.0, pessimistic, intervals of 1e-4
    (0.1, 0.5, 0.00138111649),
    (0.5, 1.0, 0.13857851865),
]


@pytest.mark.parametrize("q, r, mean", LOSSES)
def test_the_nats_are_the_mean_loss_and_the_whole_curve(x64, q, r, mean):
    """K = int_0^inf [delta(remove) + e^-eps delta(add)] d eps; one point does not bound it."""
    nats = float(mixture_kl(q, r))
    assert nats < mean == pytest.approx(nats, abs=1e-9)

    def curve(eps):
        removed, added = hockey_stick(eps, q, r)
        return removed + np.exp(-eps) * added

    kink = -np.log1p(-q)  # nobody who is added has a larger loss
    found = sum(
        integrate.quad(curve, *ends, epsabs=1e-14, epsrel=1e-12, limit=200)[0]
        for ends in ((0, kink), (kink, 5), (5, 40))
    )
    assert nats == pytest.approx(found, rel=1e-10)
