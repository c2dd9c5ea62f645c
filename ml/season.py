"""What a season does to the level of a prediction, learned from a year ago.

A model is taught by what followed a horizon ago, and promises that level again: after Christmas it promises Christmas. A year ago the same
two horizons followed one another. By how much the same model would have been off in the one and in the other, both judged alike, is what
the time of year does; the difference moves the level and leaves the order. What chance alone could have made is shrunk away.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

Vector = NDArray[np.float64]

# Whole weeks, so that a Monday is compared with a Monday.
YEAR = timedelta(days=364)
STEPS = 50
# Eight times as much, or an eighth: more than a season does, and what a shop that was closed would look like.
MOST = float(np.log(8.0))


@dataclass(frozen=True)
class Season:
    """What the time of year adds to a model's level: to the logit of buying, or the log of a value, within the horizon (`horizon`), and to
    the log of a year's value (`year`), in which every season comes once.
    """

    horizon: float = 0.0
    year: float = 0.0


NO_SEASON = Season()


@dataclass(frozen=True)
class YearAgo:
    """The day a year before a training day, and the one a horizon before that: what followed the first is the season that comes, what
    followed the second is the season that the model was taught by.
    """

    coming: datetime
    taught: datetime


def off_in_logits(said: Vector, happened: Vector) -> tuple[float, float]:
    """By how much logits have to move for their mean probability to be the share that happened, and the variance of that."""
    share = np.clip(happened.mean(), 0.5 / len(happened), 1 - 0.5 / len(happened))
    move = float(logit(share) - logit(np.clip(expit(said).mean(), 1e-9, 1 - 1e-9)))
    for _ in range(STEPS):
        probability = expit(said + move)
        slope = float((probability * (1 - probability)).mean())
        move += float(np.clip((share - probability.mean()) / max(slope, 1e-9), -1.0, 1.0))
    return move, 1.0 / max(slope * len(said), 1e-9)


def off_in_logs(said: Vector, came: Vector) -> tuple[float, float]:
    """The log of what came over what was said, in total, and the variance of that."""
    total = max(float(came.sum()), 1e-9)
    ratio = total / max(float(said.sum()), 1e-9)
    return float(np.log(ratio)), float(((came - ratio * said) ** 2).sum()) / total**2


def shift(coming: tuple[float, float], taught: tuple[float, float]) -> float:
    """What to move a level by: the difference, less the part that chance alone explains (positive-part James-Stein)."""
    moved, variance = coming[0] - taught[0], coming[1] + taught[1]
    return float(np.clip(moved * max(0.0, 1.0 - variance / moved**2), -MOST, MOST)) if moved else 0.0
