"""What campaigns caused: results by campaign, step and variant, with the lift against the holdout and its interval."""

from dataclasses import dataclass, fields
from decimal import Decimal

from dagster_project.measurement.report.reading import Reading

TABLE = "measurement.campaign_results"


@dataclass(frozen=True)
class Result:
    """One arm of a campaign; None where the store does not know. `lift` is revenue per person against the holdout, in the shop's currency."""

    campaign: str
    step: str
    variant: str
    sent: int | None
    delivered: int | None
    opens: int | None
    clicks: int | None
    conversions: int | None
    revenue: Decimal | None
    cost: Decimal | None
    holdout: int | None
    holdout_conversions: int | None
    lift: float | None
    lift_low: float | None
    lift_high: float | None

    @property
    def has_interval(self) -> bool:
        return None not in (self.lift, self.lift_low, self.lift_high)

    @property
    def verdict(self) -> str:
        """What the interval says, in a word."""
        if self.lift_low is None or self.lift_high is None:
            return "no holdout to compare with"
        if self.lift_low > 0:
            return "more than without the mail"
        return "less than without the mail" if self.lift_high < 0 else "cannot be told from no effect"


def read_results(reading: Reading) -> tuple[Result, ...]:
    """The results, by campaign, step and variant; none where nothing was measured."""
    have = set(reading.columns(TABLE))
    if not {"campaign", "step", "variant"} <= have:
        return ()
    names = [field.name for field in fields(Result)]
    asked = ", ".join(name if name in have else f"null as {name}" for name in names)
    return tuple(Result(*row) for row in reading.rows(f"select {asked} from {TABLE} order by campaign, step, variant"))
