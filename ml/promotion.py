"""Whether a challenger replaces the champion: a pure rule on the newest back-test, where both scored the same customers.

The challenger must order better and must not be worse at the level. Better by chance is not better when something proven stands already:
the lower bounds of the gains say so.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.validation import CHURN, VALUE, Measure, difference

Vector = NDArray[np.float64]

# Half a point of AUC, Spearman or Gini: what two honest runs of the same recipe may differ by.
TOLERANCE = 0.005
# A challenger's log-loss may not exceed the champion's by more than this share.
LOG_LOSS_SLACK = 0.01


@dataclass(frozen=True)
class Verdict:
    """Whether the challenger is promoted, why, and the differences (challenger less champion; estimate, low, high) it rests on."""

    promoted: bool
    reason: str
    differences: dict[str, tuple[float, float, float]]


def judge_churn(happened: Vector, champion: Vector, challenger: Vector) -> Verdict:
    """Compare two probabilities of the same event on the same people: a gain in AUC that is hardly chance, and no worse log-loss."""
    gaps = {name: difference(CHURN[name], happened, challenger, champion, draws=200) for name in ("churn_auc", "churn_log_loss")}
    champion_loss = CHURN["churn_log_loss"].of(happened, champion)
    order, loss = gaps["churn_auc"], gaps["churn_log_loss"]
    if not np.isfinite(order[0]):
        return Verdict(False, "the back-test has only one outcome", gaps)
    if order[0] <= 0 or order[1] < -TOLERANCE:
        return Verdict(False, f"AUC {order[0]:+.4f} [{order[1]:+.4f}, {order[2]:+.4f}] is no gain", gaps)
    if loss[0] > LOG_LOSS_SLACK * champion_loss:
        return Verdict(False, f"log-loss {loss[0]:+.4f} is worse", gaps)
    return Verdict(True, f"AUC {order[0]:+.4f} [{order[1]:+.4f}, {order[2]:+.4f}], log-loss {loss[0]:+.4f}", gaps)


def judge_value(value: Vector, champion: Vector, challenger: Vector) -> Verdict:
    """Compare two predictions of the same money on the same people: a sure gain in Spearman or Gini, and no loss in the other."""
    gaps = {name: difference(VALUE[name], value, challenger, champion, draws=200) for name in ("clv_spearman", "clv_gini")}
    spearman, gini = gaps["clv_spearman"], gaps["clv_gini"]
    if not np.isfinite(spearman[0]) or not np.isfinite(gini[0]):
        return Verdict(False, "the back-test has no spread in value", gaps)
    text = f"Spearman {spearman[0]:+.4f} [{spearman[1]:+.4f}, {spearman[2]:+.4f}], Gini {gini[0]:+.4f} [{gini[1]:+.4f}, {gini[2]:+.4f}]"
    won = max(spearman[1], gini[1]) > 0 and min(spearman[0], gini[0]) > -TOLERANCE
    return Verdict(bool(won), text if won else f"{text} is no gain", gaps)


def judge_next_order(champion: Vector, challenger: Vector) -> Verdict:
    """Compare two forecasts of the wait by each person's surprise at what came: a sure gain, or the champion stays."""
    mean = Measure(lambda _, surprises: float(surprises.mean()), -1)
    gap = difference(mean, np.zeros(len(champion)), challenger, champion, draws=200)
    text = f"log-loss of the wait {gap[0]:+.4f} [{gap[1]:+.4f}, {gap[2]:+.4f}]"
    return Verdict(gap[2] < 0, text if gap[2] < 0 else f"{text} is no gain", {"next_order_log_loss": gap})
