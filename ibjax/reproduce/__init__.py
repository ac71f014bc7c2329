"""Named experiments: ours beside the known or published numbers."""

from importlib import import_module

from ibjax.reproduce.outcome import Outcome, Reproduction, View

__all__ = ["Outcome", "Reproduction", "View", "reproductions"]

_ROWS = {
    "sign-learner": (
        "depth.sign_learner",
        "analytic: the exponential factor of the depth bound is attained exactly",
    ),
    "binary-gaussian": (
        "depth.binary_gaussian",
        "analytic: layered divergence and Wasserstein bounds of a linear network, exact gap",
    ),
    "depth-trade-off": (
        "depth.trade_off",
        "digits and MNIST: contraction factor, gap and training error, noise times depth",
    ),
    "certified-mnist": (
        "certified.mnist",
        "MNIST 4 versus 9: certificate and gap against n, beside the forms of the literature",
    ),
    "compression-mnist": (
        "posteriors.compression",
        "MNIST: certificates without noise, by short codes and by learnt posteriors",
    ),
    "mi-benchmark": (
        "mi.benchmark",
        "forty closed-form laws: our information estimators beside a published benchmark's",
    ),
    "langevin-mnist-mlp": (
        "langevin.curves",
        "MNIST: noisy-SGD bounds along full-batch Langevin dynamics beside the 2020 figure",
    ),
    "fcmi-mnist": (
        "fcmi.mnist",
        "MNIST 4 versus 9: gap and supersample bounds of 150 networks beside published ones",
    ),
    "fcmi-mnist-langevin": (
        "fcmi.mnist_langevin",
        "the same along Langevin training, with the noise as published and as intended",
    ),
    "linear-classifier": (
        "linear.classifier",
        "softmax regression on synthetic data: the order of gap and supersample bounds",
    ),
    "infinite-ensembles": (
        "infinite.ensembles",
        "jointly Gaussian: information in infinitely wide ensembles beside the frontier",
    ),
    "infinite-bounds": (
        "infinite.bounds",
        "exact infinite-width gap against MI bounds, and trained networks of growing width",
    ),
    "finite-width": (
        "width.finite",
        "linear networks of finite width: exact theory, Langevin replicas, certificate",
    ),
    "extensive-width": (
        "width.extensive",
        "two-layer teachers: Bayes-optimal limits from n ~ d to n ~ d^2 (conjectured)",
    ),
    "information-kept": (
        "teacher.kept",
        "teachers: information in the data, information kept, certified gap, of the same runs",
    ),
    "maxent-layers": (
        "maxent.layers",
        "ten bits and digits: how strictly each trained layer applies maximum entropy",
    ),
    "teacher-student": (
        "teacher.student",
        "tanh teachers: Bayes-optimal error, GAMP, ridge, noisy-SGD students and their bounds",
    ),
    "ib-curve": (
        "plane.ib_curve",
        "analytic: known points of the bottleneck, its dual and the Gaussian one; curves",
    ),
    "information-plane": (
        "plane.networks",
        "12-bit symmetric rule: tanh, ReLU and linear networks by cells and by noise",
    ),
}
"""The module of each, which has a `run`, a `view` and perhaps `Options`, and one line for people.

A module is imported when reproductions are asked for, never before.
"""

_FIGURES = ("langevin-mnist-cnn", "langevin-fashion-cnn", "langevin-cifar-cnn")
"""The published figures of the module that `langevin-mnist-mlp` is the first of."""


def reproductions() -> dict[str, Reproduction]:
    """Every reproduction by name."""
    from ibjax.reproduce.langevin import curves
    from ibjax.reproduce.langevin.settings import SETTINGS

    found = {}
    for name, (place, summary) in _ROWS.items():
        module = import_module(f"{__name__}.{place}")
        options = getattr(module, "Options", None)
        found[name] = Reproduction(name, summary, module.run, options, module.view)
        for figure in _FIGURES if module is curves else ():
            setting = SETTINGS[figure]
            summary = f"{setting.dataset}: the same for the convolutional network (first updates)"
            run = curves.runner(setting)
            found[figure] = Reproduction(figure, summary, run, curves.Options, curves.view)
    return found
