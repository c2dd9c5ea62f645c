"""A model card: what a score is, what it learned from, how it did, what it must not be used for. Markdown, for people who did not train it."""

from collections.abc import Mapping
from dataclasses import dataclass

MEANINGS = {
    "auc": "share of pairs that it orders rightly",
    "pr_auc": "average precision",
    "log_loss": "log-loss, less is better",
    "base_log_loss": "log-loss of one rate for everybody",
    "wait_log_loss": "log-loss of the wait for the next order, less is better",
    "agreement": "how alike groups of customers drawn anew are, 1 is the same",
    "brier": "squared error of the probability, less is better",
    "spearman": "rank correlation with what followed",
    "gini": "share of the perfect order of money",
    "mae": "mean absolute error, money",
    "bias": "predicted total over the true one, less 1",
}
LIMITS = (
    "It orders and counts people who behave like those it learned from; a season, a channel or a price level it has not seen is not in it.",
    "It says what is likely, not what a mail would change: that is what holdouts measure.",
    "Nobody without consent to profiling is scored, and no address, name or birth date is among its columns.",
)


@dataclass(frozen=True)
class Card:
    """What the card says. `facts` are name and text, `metrics` an estimate with the ends of its 95 % interval, which
    are the estimate where none was worked out, `drivers` name and loss."""

    score: str
    outcome: str
    facts: Mapping[str, str]
    metrics: Mapping[str, tuple[float, float, float]]
    drivers: Mapping[str, float]
    reason: str
    promoted: bool


def write_card(card: Card) -> str:
    """The card as Markdown."""
    lines = [f"# {card.score}", "", card.outcome, "", f"**{'Promoted' if card.promoted else 'Not promoted'}:** {card.reason}.", ""]
    lines += ["| | |", "|---|---|", *(f"| {name} | {text} |" for name, text in card.facts.items()), ""]
    if card.metrics:
        lines += ["## On a past day that had taught it nothing", "", "| measure | | 95 % | meaning |", "|---|---|---|---|"]
        lines += [
            f"| {name} | {estimate:.4f} | {f'{low:.4f} to {high:.4f}' if low < high else ''} | {MEANINGS.get(name, '')} |"
            for name, (estimate, low, high) in card.metrics.items()
        ]
        lines.append("")
    if card.drivers:
        lines += ["## What drives it", "", "What its order loses when the driver is dealt out at random:", ""]
        lines += [f"1. {name}: {loss:.4f}" for name, loss in list(card.drivers.items())[:8]]
        lines.append("")
    lines += ["## Limits", "", *(f"- {limit}" for limit in LIMITS), ""]
    return "\n".join(lines)
