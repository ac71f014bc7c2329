"""Named experiments: ours beside the known or published numbers."""

from ibjax.reproduce.outcome import Outcome as Outcome
from ibjax.reproduce.outcome import Reproduction as Reproduction


def reproductions() -> dict[str, Reproduction]:
    """Every reproduction by name."""
    from ibjax.reproduce import depth_trade_off, fcmi_mnist, sign_learner
    from ibjax.reproduce import langevin_mnist_mlp as langevin
    from ibjax.reproduce import langevin_settings as settings

    rows = (
        Reproduction(
            "sign-learner",
            "analytic: the exponential factor of the depth bound is attained exactly",
            sign_learner.run,
        ),
        Reproduction(
            "depth-trade-off",
            "digits: contraction factor, gap and training error over layer noise and depth",
            depth_trade_off.run,
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
    )
    return {row.name: row for row in rows}
