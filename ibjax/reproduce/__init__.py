"""Named experiments: ours beside the known or published numbers."""

from ibjax.reproduce.outcome import Outcome, Reproduction

__all__ = ["Outcome", "Reproduction", "reproductions"]


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
        Reproduction(
            "sign-learner",
            "analytic: the exponential factor of the depth bound is attained exactly",
            sign_learner.run,
        ),
        Reproduction(
            "binary-gaussian",
            "analytic: layered divergence and Wasserstein bounds of a linear network, exact gap",
            binary_gaussian.run,
        ),
        Reproduction(
            "depth-trade-off",
            "digits and MNIST: contraction factor, gap and training error, noise times depth",
            depth_trade_off.run,
            depth_trade_off.Options,
        ),
        Reproduction(
            "certified-mnist",
            "MNIST 4 versus 9: certificate and gap against n, beside the forms of the literature",
            certified_mnist.run,
            certified_mnist.Options,
        ),
        Reproduction(
            "compression-mnist",
            "MNIST: certificates without noise, by short codes and by learnt posteriors",
            compression_mnist.run,
            compression_mnist.Options,
        ),
        Reproduction(
            "mi-benchmark",
            "forty closed-form laws: our information estimators beside a published benchmark's",
            mi_benchmark.run,
        ),
        Reproduction(
            settings.MNIST_MLP.name,
            "MNIST: noisy-SGD bounds along full-batch Langevin dynamics beside the 2020 figure",
            langevin.run,
            langevin.Options,
        ),
        *(
            Reproduction(
                setting.name,
                f"{setting.dataset}: the same for the convolutional network (first updates)",
                langevin.runner(setting),
                langevin.Options,
            )
            for setting in (settings.MNIST_CNN, settings.FASHION_CNN, settings.CIFAR_CNN)
        ),
        Reproduction(
            "fcmi-mnist",
            "MNIST 4 versus 9: gap and supersample bounds of 150 networks beside published ones",
            fcmi_mnist.run,
            fcmi_mnist.Options,
        ),
        Reproduction(
            "fcmi-mnist-langevin",
            "the same along Langevin training, with the noise as published and as intended",
            fcmi_mnist_langevin.run,
            fcmi_mnist_langevin.Options,
        ),
        Reproduction(
            "linear-classifier",
            "softmax regression on synthetic data: the order of gap and supersample bounds",
            linear_classifier.run,
            linear_classifier.Options,
        ),
        Reproduction(
            "infinite-ensembles",
            "jointly Gaussian: information in infinitely wide ensembles beside the frontier",
            infinite_ensembles.run,
        ),
        Reproduction(
            "infinite-bounds",
            "exact infinite-width gap against MI bounds, and trained networks of growing width",
            infinite_bounds.run,
        ),
        Reproduction(
            "finite-width",
            "linear networks of finite width: exact theory, Langevin replicas, certificate",
            finite_width.run,
            finite_width.Options,
        ),
        Reproduction(
            "extensive-width",
            "two-layer teachers: Bayes-optimal limits from n ~ d to n ~ d^2 (conjectured)",
            extensive_width.run,
        ),
        Reproduction(
            "information-kept",
            "teachers: information in the data, information kept, certified gap, of the same runs",
            information_kept.run,
            information_kept.Options,
        ),
        Reproduction(
            "maxent-layers",
            "ten bits and digits: how strictly each trained layer applies maximum entropy",
            maxent_layers.run,
            maxent_layers.Options,
        ),
        Reproduction(
            "teacher-student",
            "tanh teachers: Bayes-optimal error, GAMP, ridge, noisy-SGD students and their bounds",
            teacher_student.run,
            teacher_student.Options,
        ),
        Reproduction(
            "ib-curve",
            "analytic: known points of the bottleneck, its dual and the Gaussian one; curves",
            ib_curve.run,
        ),
        Reproduction(
            "information-plane",
            "12-bit symmetric rule: tanh, ReLU and linear networks by cells and by noise",
            information_plane.run,
            information_plane.Options,
        ),
    )
    return {row.name: row for row in rows}
