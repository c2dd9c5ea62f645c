"""Past campaigns: who was sent what, who was held out, what they did, and the effect that is true by construction."""

from dataclasses import dataclass

import numpy as np

from simulator.behaviour import Life, Visits, assign_channels, draw_moments
from simulator.clock import DAY, NEVER, Clock, at_local, local_days, stream
from simulator.consent import EMAIL, Consents
from simulator.people import People

HOLDOUT_SHARE = 0.10
EFFECT_DAYS = 7


@dataclass(frozen=True)
class Campaign:
    """One e-mail to everyone who may be mailed. `effects`: added chance of an order within seven days, per variant (A, B),
    for a person who is an active buyer with average openness; nobody else is moved."""

    number: int
    campaign_id: str
    name: str
    slug: str
    subjects: tuple[str, str]
    effects: tuple[float, float]
    code: str
    send_at: int

    @property
    def message_ids(self) -> tuple[str, str]:
        """The vendor's ids of the two variants."""
        return self.campaign_id[:18] + "VARIATNA", self.campaign_id[:18] + "VARIATNB"


# Days before the end, name, slug, subjects (A, B), effects (A, B), code. Three do nothing in variant A, one of them in neither.
_PLANS = (
    (178, "Autumn colours", "autumn-colours", ("Neu im Herbst", "Goldener Herbst für dich"), (0.030, 0.050), "HERBST10"),
    (155, "Journal: brewing at home", "journal-brewing", ("So gelingt der Filterkaffee", "Das Journal ist da"), (0.0, 0.010), ""),
    (133, "Coffee refill", "coffee-refill", ("Kaffee alle?", "Frisch geröstet zu dir"), (0.040, 0.055), "KAFFEE10"),
    (110, "Black Week", "black-week", ("Black Week: bis zu 20 %", "Nur diese Woche 🖤"), (0.080, 0.080), "BLACK20"),
    (92, "Last-minute gifts", "last-minute-gifts", ("Geschenke, die noch ankommen", "Noch 3 Tage"), (0.060, 0.030), "GIFT10"),
    (70, "New year newsletter", "new-year", ("Ein gutes neues Jahr", "Unsere Vorsätze"), (0.0, 0.0), ""),
    (53, "Winter sale", "winter-sale", ("Winterschlussverkauf", "Alles muss raus"), (0.060, 0.080), "WSV15"),
    (33, "Valentine", "valentine", ("Für die Liebsten", "Mit Herz 💛"), (0.030, 0.050), "HERZ10"),
    (19, "Tea time", "tea-time", ("Zeit für Tee", "Deine Teestunde"), (0.0, 0.040), "TEE10"),
    (5, "Spring preview", "spring-preview", ("Der Frühling kommt", "Als Erste sehen"), (0.050, 0.070), "FRUEHLING10"),
)


@dataclass(frozen=True)
class Sends:
    """One entry per campaign and addressee. Moments in seconds, `NEVER` where nothing happened.

    `variant` is 0 (A) or 1 (B), -1 for the holdout; `chance` is the true added chance of an order; `caused` whether it came.
    """

    campaign: np.ndarray
    person: np.ndarray
    variant: np.ndarray
    sent_at: np.ndarray
    bounced: np.ndarray
    opened_at: np.ndarray
    machine_open: np.ndarray
    clicked_at: np.ndarray
    unsubscribed_at: np.ndarray
    spam_at: np.ndarray
    replied_at: np.ndarray
    chance: np.ndarray
    caused: np.ndarray


def plan_campaigns(clock: Clock) -> tuple[Campaign, ...]:
    """Ten campaigns over the last 180 days; those too near the start of the history fall away."""
    last = int(local_days(np.array([clock.end - 1]))[0])
    days = [last - plan[0] for plan in _PLANS]
    moments = at_local(np.array(days), np.full(len(days), 9 * 3600 + 1800), "Europe/Berlin")
    planned: list[Campaign] = []
    for plan, moment in zip(_PLANS, moments, strict=True):
        if moment < clock.start + 20 * DAY:
            continue
        _, name, slug, subjects, effects, code = plan
        number = len(planned)
        planned.append(Campaign(number, f"01JDEARLY{number:05d}CAMPA{number:07d}", name, slug, subjects, effects, code, int(moment)))
    return tuple(planned)


def send_campaigns(
    clock: Clock, campaigns: tuple[Campaign, ...], people: People, life: Life, consents: Consents, reachable: np.ndarray, seed: int
) -> tuple[Sends, Consents, Visits]:
    """Sends every campaign in turn: the sends, the consents after the unsubscriptions, the purchases caused.

    `reachable` is the moment from which each person has a mailable profile (`NEVER`: none).
    """
    rng = stream(seed, "campaigns")
    count = len(people)
    open_rate, click_rate = people.column("open_rate"), people.column("click_rate")
    bad_address = rng.random(count) < 0.012
    parts: list[dict[str, np.ndarray]] = []
    hard_bounced = np.zeros(count, dtype=bool)
    for campaign in campaigns:
        start = campaign.send_at
        may = consents.given(np.arange(count), EMAIL, start) & (reachable <= start) & ~hard_bounced
        person = np.flatnonzero(may)
        size = len(person)
        held = rng.random(size) < HOLDOUT_SHARE
        variant = np.where(held, -1, rng.integers(0, 2, size))
        sent = start + rng.integers(0, 1500, size)
        bounced = ~held & (bad_address[person] | (rng.random(size) < 0.004))
        hard_bounced[person[bounced & bad_address[person]]] = True
        reached = ~held & ~bounced
        active = (life.first_at[person] <= start) & (life.drops_at[person] > start)
        gone = life.drops_at[person] <= start
        opens = reached & (rng.random(size) < open_rate[person] * np.where(gone, 0.45, 1.15))
        day = local_days(sent) + rng.geometric(0.7, size) - 1
        opened = np.maximum(draw_moments(people, person, day, rng), sent + rng.integers(60, 5400, size))
        # Who has not bought yet clicks as much as they think of buying.
        keen = np.where(life.first_at[person] > start, 0.7 * people.column("intent")[person], np.where(gone, 0.5, 1.4))
        clicks = opens & (rng.random(size) < click_rate[person] * keen * np.where(variant == 1, 1.15, 1.0))
        effect = np.where(variant >= 0, np.array(campaign.effects)[np.maximum(variant, 0)], 0.0)
        chance = np.where(active & reached, effect * (0.5 + 0.5 * open_rate[person] / 0.364), 0.0)
        caused = rng.random(size) < chance
        opens |= caused
        clicks |= caused & (rng.random(size) < 0.75)
        opened = np.where(opens, opened, NEVER)
        clicked = np.where(clicks, opened + rng.integers(5, 240, size), NEVER)
        draw = rng.random(size)
        # Whoever came back once stays: a course of consent has one return.
        free = opens & ~caused & (consents.again[person, EMAIL] > opened)
        leaves = free & (draw < np.where(gone, 0.012, 0.004))
        spam = free & (draw > 0.9992)
        replies = opens & (rng.random(size) < 0.002)
        left = np.where(leaves, opened + 90, NEVER)
        complained = np.where(spam, opened + 45, NEVER)
        parts.append(
            {
                "campaign": np.full(size, campaign.number),
                "person": person,
                "variant": variant,
                "sent_at": np.where(held, NEVER, sent),
                "bounced": bounced,
                "opened_at": opened,
                "machine_open": opens & ~clicks & (rng.random(size) < 0.12),
                "clicked_at": clicked,
                "unsubscribed_at": left,
                "spam_at": complained,
                "replied_at": np.where(replies, opened + 3600, NEVER),
                "chance": chance,
                "caused": caused,
            }
        )
        out = np.minimum(left, complained)
        consents = consents.withdraw(person[out < NEVER], EMAIL, out[out < NEVER])
    if not parts:
        empty = np.array([], dtype=np.int64)
        return Sends(*([empty] * len(Sends.__dataclass_fields__))), consents, Visits(*([empty] * len(Visits.__dataclass_fields__)))
    sends = Sends(**{name: np.concatenate([part[name] for part in parts]) for name in parts[0]})
    return sends, consents, _caused_visits(campaigns, sends, people, rng)


def _caused_visits(campaigns: tuple[Campaign, ...], sends: Sends, people: People, rng: np.random.Generator) -> Visits:
    """The purchases campaigns caused: within seven days of the send, most of them within two."""
    rows = np.flatnonzero(sends.caused)
    person, campaign = sends.person[rows], sends.campaign[rows]
    sent = np.array([entry.send_at for entry in campaigns])[campaign]
    seen = np.minimum(sends.clicked_at[rows], np.minimum(sends.opened_at[rows], sent + 3 * DAY))
    day = local_days(seen) + np.minimum(rng.geometric(0.55, len(rows)) - 1, 3)
    latest = sent + EFFECT_DAYS * DAY - 3600
    at = np.minimum(np.maximum(draw_moments(people, person, day, rng), seen + 300), latest)
    none = np.full(len(rows), -1)
    visits = Visits(person, at, none, none, campaign, sends.variant[rows], np.zeros(len(rows), dtype=bool))
    moved = assign_channels(people, visits, rng)
    # A campaign's purchase is made on line.
    return Visits(person, at, np.where(moved.channel == 2, 0, moved.channel), none, campaign, sends.variant[rows], visits.first)
