"""When there is too little to learn from, and why: an abstaining model says so in one sentence and scores nobody."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MIN_CUSTOMERS = 300
MIN_EACH_OUTCOME = 30


@dataclass(frozen=True)
class Abstained:
    """No model, and the reason a person can read. `is_verdict`: not for want of something to learn from, but because everyone's rate was
    found to be as good as challenger and champion, so that neither may score.
    """

    reason: str
    is_verdict: bool = False


def too_few_customers(customers: int, have: str = "have bought") -> Abstained | None:
    """Under 300 customers nothing learned here beats a rule of thumb."""
    if customers >= MIN_CUSTOMERS:
        return None
    return Abstained(f"{customers} customers {have}, a model needs {MIN_CUSTOMERS}")


def too_little_history(history_days: int, horizon_days: int, horizons: tuple[int, ...]) -> Abstained | None:
    """To learn what follows a day within a horizon, history must reach back two of them; `horizons` are those that it allows."""
    if horizons:
        return None
    return Abstained(f"{history_days} days of history are too short to learn what happens within {horizon_days} days")


def too_one_sided(outcomes: NDArray[np.bool_], outcome: str) -> Abstained | None:
    """A probability needs people with and without the outcome."""
    return too_few_of_either(int(outcomes.sum()), int((~outcomes).sum()), len(outcomes), outcome)


def too_few_of_either(having: int, lacking: int, cases: int, outcome: str) -> Abstained | None:
    """The same, counted: who has several rows may be both."""
    if min(having, lacking) >= MIN_EACH_OUTCOME:
        return None
    counted = f"of {cases} past cases {having} {outcome}"
    return Abstained(f"{counted}, a model needs {MIN_EACH_OUTCOME} with and {MIN_EACH_OUTCOME} without")
