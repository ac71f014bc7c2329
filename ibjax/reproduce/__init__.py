"""Named experiments: ours beside the known or published numbers."""

from ibjax.reproduce.outcome import Outcome as Outcome
from ibjax.reproduce.outcome import Reproduction as Reproduction


def reproductions() -> dict[str, Reproduction]:
    """Every reproduction by name."""
    from ibjax.reproduce import depth_trade_off, sign_learner

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
    )
    return {row.name: row for row in rows}
