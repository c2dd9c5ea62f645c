"""What campaigns caused: results by campaign, step and variant, with the lift against the holdout and its interval."""

from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal

from dagster_project.measurement.report.reading import Reading

TABLE = "measurement.campaign_results"
CONTACTS = "measurement.campaign_contacts"
BEGAN = f"(select campaign, step, min(contacted_at) as began from {CONTACTS} group by campaign, step)"
# The interval takes means for normal; with fewer people that is not so, purchases being rare and large.
ENOUGH_HELD_OUT = 30


@dataclass(frozen=True)
class Result:
    """One arm of a campaign; None where the store does not know. `began` is when its step was first sent (UTC).
    `lift` is revenue per person less the holdout's, in the shop's money;
    `roi` what was caused beyond the cost, per unit of cost."""

    campaign: str
    step: str
    variant: str
    sent: int | None
    delivered: int | None
    measured: int | None
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
    roi: float | None
    began: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether nobody's week after the mail is over: what it brought cannot be told yet."""
        return self.measured == 0

    @property
    def has_interval(self) -> bool:
        return None not in (self.lift, self.lift_low, self.lift_high)

    @property
    def told_roi(self) -> float | None:
        """`roi` where the interval tells an effect from none: what may be chance is not worth a thousand times its cost."""
        return self.roi if self.verdict[1] in ("good", "bad") else None

    @property
    def verdict(self) -> tuple[str, str]:
        """What the interval says, and its tone. It holds for many people: of few held out, one order more or less would turn it."""
        if self.lift_low is None or self.lift_high is None:
            return "no holdout to compare with", "calm"
        if self.holdout is not None and self.holdout < ENOUGH_HELD_OUT:
            return f"only {self.holdout} held out, too few to tell", "calm"
        if self.lift_low > 0:
            return "more than without the mail", "good"
        return ("less than without the mail", "bad") if self.lift_high < 0 else ("cannot be told from no effect", "calm")


def read_results(reading: Reading) -> tuple[Result, ...]:
    """The results, what began last first; none where nothing was measured."""
    have = set(reading.columns(TABLE))
    if not {"campaign", "step", "variant"} <= have:
        return ()
    names = [field.name for field in fields(Result)]
    asked = ", ".join(name if name in have else f"null as {name}" for name in names)
    source = TABLE
    if reading.has(CONTACTS):
        source, asked = f"{TABLE} left join {BEGAN} using (campaign, step)", asked.replace("null as began", "began")
    return tuple(
        Result(*row) for row in reading.rows(f"select {asked} from {source} order by began desc nulls last, campaign, step, variant")
    )
