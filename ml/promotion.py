"""Who scores from a training day on: a pure rule on the newest back-test, where all candidates scored the same customers.

    challenger   the model just trained, as it would have been trained by the back-test's day
    champion     the one that scores now, as it was when it was judged: it too had seen nothing of what followed
    baseline     where nothing is learned: BG/NBD x Gamma-Gamma, everyone's rate for an outcome, all in one group for groups

1. The challenger must win against the baseline: order better, hardly by chance, at no worse a level.
2. It must keep up with the champion: at most TOLERANCE behind in order, LOG_LOSS_SLACK in level. As good is good enough: it has seen newer days.
3. Refused, it changes nothing: the champion stays. Only a champion that falls behind the baseline makes room, and for the baseline.
4. Where the back-test can tell nobody from another (`ml.horizons.no_backtest`), it is refused as well.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ml.backtest import MEAN, Backtest
from ml.validation import CHURN, VALUE, difference

Vector = NDArray[np.float64]
Gaps = dict[str, tuple[float, float, float]]

# Half a point of AUC, Spearman or Gini: what two honest runs of the same recipe may differ by.
TOLERANCE = 0.005
# A challenger's log-loss may not exceed the champion's by more than this share.
LOG_LOSS_SLACK = 0.01
# Groups are found on a sample, and differ by more than that from one sample to the next.
GROUPS_SLACK = 0.03
DRAWS = 200


@dataclass(frozen=True)
class Verdict:
    """Whether the challenger is promoted, why, and the differences (challenger less the other; estimate, low, high) it rests on. `stays`
    scores when it is not: "champion" or "baseline".
    """

    promoted: bool
    reason: str
    differences: Gaps
    stays: str = "baseline"
    to_champion: Gaps = field(default_factory=dict)


def judge(tested: Backtest) -> Verdict:
    """Apply the rule above."""
    if tested.kind in LOSSES:
        first = judge_loss(LOSSES[tested.kind], tested.baseline, tested.challenger)
    else:
        wins = judge_churn if tested.kind == "event" else judge_value
        first = wins(tested.truth, tested.baseline, tested.challenger)
    if tested.champion is None:
        return first
    stays = "champion" if keeps_up(tested, tested.champion, tested.baseline)[0] else "baseline"
    kept_up, gaps = keeps_up(tested, tested.challenger, tested.champion)
    said = ", ".join(f"{NAMES[name]} {gap[0]:+.4f} [{gap[1]:+.4f}, {gap[2]:+.4f}]" for name, gap in gaps.items())
    if not first.promoted:
        return Verdict(False, f"{first.reason} over the baseline", first.differences, stays, gaps)
    if not kept_up:
        return Verdict(False, f"worse than the champion: {said}", first.differences, stays, gaps)
    return Verdict(True, f"{first.reason} to the baseline; {said} to the champion", first.differences, stays, gaps)


NAMES = {
    "churn_auc": "AUC",
    "churn_log_loss": "log-loss",
    "clv_spearman": "Spearman",
    "clv_gini": "Gini",
    "next_order_log_loss": "log-loss of the wait",
    "spread_within": "spread left within the groups",
}
# Kinds of which each person's loss is known, and its name.
LOSSES = {"wait": "next_order_log_loss", "groups": "spread_within"}
# What is compared with the champion: more is better, unless it is a loss.
COMPARED = {"event": ("churn_auc", "churn_log_loss"), "amount": ("clv_spearman", "clv_gini")} | {
    kind: (name,) for kind, name in LOSSES.items()
}
MEASURES = CHURN | VALUE | dict.fromkeys(LOSSES.values(), MEAN)
# By how much more than the other's a loss may be.
SLACK = {"churn_log_loss": LOG_LOSS_SLACK, "next_order_log_loss": LOG_LOSS_SLACK, "spread_within": GROUPS_SLACK}


def keeps_up(tested: Backtest, one: Vector, other: Vector) -> tuple[bool, Gaps]:
    """Whether `one` is not behind `other` by more than the tolerance, and the differences."""
    gaps = {name: difference(MEASURES[name], tested.truth, one, other, draws=DRAWS) for name in COMPARED[tested.kind]}

    def holds(name: str) -> bool:
        if MEASURES[name].better > 0:
            return gaps[name][0] >= -TOLERANCE
        return gaps[name][0] <= SLACK[name] * MEASURES[name].of(tested.truth, other)

    return all(holds(name) for name in gaps), gaps


def judge_churn(happened: Vector, champion: Vector, challenger: Vector) -> Verdict:
    """Compare two probabilities of the same event on the same people: a gain in AUC that is hardly chance, and no worse log-loss."""
    gaps = {name: difference(CHURN[name], happened, challenger, champion, draws=DRAWS) for name in ("churn_auc", "churn_log_loss")}
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
    gaps = {name: difference(VALUE[name], value, challenger, champion, draws=DRAWS) for name in ("clv_spearman", "clv_gini")}
    spearman, gini = gaps["clv_spearman"], gaps["clv_gini"]
    if not np.isfinite(spearman[0]) or not np.isfinite(gini[0]):
        return Verdict(False, "the back-test has no spread in value", gaps)
    text = f"Spearman {spearman[0]:+.4f} [{spearman[1]:+.4f}, {spearman[2]:+.4f}], Gini {gini[0]:+.4f} [{gini[1]:+.4f}, {gini[2]:+.4f}]"
    won = max(spearman[1], gini[1]) > 0 and min(spearman[0], gini[0]) > -TOLERANCE
    return Verdict(bool(won), text if won else f"{text} is no gain", gaps)


def judge_loss(name: str, champion: Vector, challenger: Vector) -> Verdict:
    """Compare two by each person's loss (their surprise at what came, their distance to their group): a sure gain, or the champion stays."""
    gap = difference(MEAN, np.zeros(len(champion)), challenger, champion, draws=DRAWS)
    text = f"{NAMES[name]} {gap[0]:+.4f} [{gap[1]:+.4f}, {gap[2]:+.4f}]"
    return Verdict(gap[2] < 0, text if gap[2] < 0 else f"{text} is no gain", {name: gap})
