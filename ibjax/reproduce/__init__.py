"""Named experiments: ours beside the known or published numbers."""

from types import ModuleType

from ibjax.reproduce.outcome import Outcome, Reproduction, View

__all__ = ["Outcome", "Reproduction", "View", "reproductions"]


def reproductions() -> dict[str, Reproduction]:
    """Every reproduction by name."""
    from ibjax.reproduce.certified import mnist as certified_mnist
    from ibjax.reproduce.depth import binary_gaussian, sign_learner
    from ibjax.reproduce.depth import trade_off as depth_trade_off
    from ibjax.reproduce.fcmi import mnist as fcmi_mnist
    from ibjax.reproduce.fcmi import mnist_langevin as fcmi_mnist_langevin
    from ibjax.reproduce.infinite import bounds as infinite_bounds
    from ibjax.reproduce.infinite import ensembles as infinite_ensembles
    from ibjax.reproduce.langevin import curves as langevin
    from ibjax.reproduce.langevin import settings as settings
    from ibjax.reproduce.linear import classifier as linear_classifier
    from ibjax.reproduce.maxent import layers as maxent_layers
    from ibjax.reproduce.mi import benchmark as mi_benchmark
    from ibjax.reproduce.plane import ib_curve
    from ibjax.reproduce.plane import networks as information_plane
    from ibjax.reproduce.posteriors import compression as compression_mnist
    from ibjax.reproduce.teacher import kept as information_kept
    from ibjax.reproduce.teacher import student as teacher_student
    from ibjax.reproduce.width import extensive as extensive_width
    from ibjax.reproduce.width import finite as finite_width

    rows = (
        _row(
            sign_learner,
            "sign-learner",
            "analytic: the exponential factor of the depth bound is attained exactly",
        ),
        _row(
            binary_gaussian,
            "binary-gaussian",
            "analytic: layered divergence and Wasserstein bounds of a linear network, exact gap",
        ),
        _row(
            depth_trade_off,
            "depth-trade-off",
            "digits and MNIST: contraction factor, gap and training error, noise times depth",
        ),
        _row(
            certified_mnist,
            "certified-mnist",
            "MNIST 4 versus 9: certificate and gap against n, beside the forms of the literature",
        ),
        _row(
            compression_mnist,
            "compression-mnist",
            "MNIST: certificates without noise, by short codes and by learnt posteriors",
        ),
        _row(
            mi_benchmark,
            "mi-benchmark",
            "forty closed-form laws: our information estimators beside a published benchmark's",
        ),
        _row(
            langevin,
            settings.MNIST_MLP.name,
            "MNIST: noisy-SGD bounds along full-batch Langevin dynamics beside the 2020 figure",
        ),
        *(
            Reproduction(
                setting.name,
                f"{setting.dataset}: the same for the convolutional network (first updates)",
                langevin.runner(setting),
                langevin.view,
                langevin.Options,
            )
            for setting in (settings.MNIST_CNN, settings.FASHION_CNN, settings.CIFAR_CNN)
        ),
        _row(
            fcmi_mnist,
            "fcmi-mnist",
            "MNIST 4 versus 9: gap and supersample bounds of 150 networks beside published ones",
        ),
        _row(
            fcmi_mnist_langevin,
            fcmi_mnist_langevin.NAME,
            "the same along Langevin training, with the noise as published and as intended",
        ),
        _row(
            linear_classifier,
            linear_classifier.NAME,
            "softmax regression on synthetic data: the order of gap and supersample bounds",
        ),
        _row(
            infinite_ensembles,
            "infinite-ensembles",
            "jointly Gaussian: information in infinitely wide ensembles beside the frontier",
        ),
        _row(
            infinite_bounds,
            "infinite-bounds",
            "exact infinite-width gap against MI bounds, and trained networks of growing width",
        ),
        _row(
            finite_width,
            "finite-width",
            "linear networks of finite width: exact theory, Langevin replicas, certificate",
        ),
        _row(
            extensive_width,
            "extensive-width",
            "two-layer teachers: Bayes-optimal limits from n ~ d to n ~ d^2 (conjectured)",
        ),
        _row(
            information_kept,
            "information-kept",
            "teachers: information in the data, information kept, certified gap, of the same runs",
        ),
        _row(
            maxent_layers,
            "maxent-layers",
            "ten bits and digits: how strictly each trained layer applies maximum entropy",
        ),
        _row(
            teacher_student,
            "teacher-student",
            "tanh teachers: Bayes-optimal error, GAMP, ridge, noisy-SGD students and their bounds",
        ),
        _row(
            ib_curve,
            "ib-curve",
            "analytic: known points of the bottleneck, its dual and the Gaussian one; curves",
        ),
        _row(
            information_plane,
            "information-plane",
            "12-bit symmetric rule: tanh, ReLU and linear networks by cells and by noise",
        ),
    )
    return {row.name: row for row in rows}


def _row(module: ModuleType, name: str, summary: str) -> Reproduction:
    """A module's `run`, `view` and, where it has them, `Options`."""
    return Reproduction(name, summary, module.run, module.view, getattr(module, "Options", None))
