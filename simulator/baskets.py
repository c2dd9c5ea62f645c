"""What people buy: products by taste and habit, companions, discounts, corrections, cancellations and returns."""

from dataclasses import dataclass

import numpy as np

from simulator.behaviour import STORE, WEB, Visits
from simulator.catalogue import Catalogue
from simulator.clock import DAY, NEVER, Clock, stream
from simulator.people import People
from simulator.shelves import CATEGORIES

# Entries weighed at once, each against every product: few enough to stay in the processor's cache.
AT_ONCE = 500


@dataclass(frozen=True)
class Purchases:
    """One entry per purchase (in order of time) and per line (`line_*`, in order of purchase). Money in cents.

    A corrected order showed one piece too many on its first line until `edited_at`. A cancelled order (`cancelled_at`)
    counts nothing; a returned line (`line_returned` pieces) counts less from `refunded_at` on. `line_percent` is the order's
    discount. `NEVER`: did not happen.
    """

    visits: Visits
    code: np.ndarray
    shipping: np.ndarray
    guest: np.ndarray
    edited_at: np.ndarray
    cancelled_at: np.ndarray
    refunded_at: np.ndarray
    line_order: np.ndarray
    line_variant: np.ndarray
    line_quantity: np.ndarray
    line_price: np.ndarray
    line_percent: np.ndarray
    line_returned: np.ndarray
    first_line: np.ndarray

    def net(self, moment: int = NEVER) -> np.ndarray:
        """Per purchase, as it stood at the moment: lines after discounts, returns and cancellation, without shipping."""
        paid = self.line_paid(self.line_quantity + self.surplus(moment))
        back = np.where((self.refunded_at < moment)[self.line_order], self.line_refund(), 0)
        total = np.bincount(self.line_order, weights=paid - back, minlength=len(self.code)).astype(np.int64)
        return np.where(self.cancelled_at < moment, 0, total)

    def surplus(self, moment: int) -> np.ndarray:
        """Pieces too many on each line at the moment: one on the first line of an order not yet corrected."""
        pending = (moment <= self.edited_at) & (self.edited_at < NEVER)
        extra = np.zeros(len(self.line_order), dtype=np.int64)
        extra[self.first_line[pending]] = 1
        return extra

    def line_refund(self) -> np.ndarray:
        """Cents given back for the returned pieces of each line."""
        return self.line_paid(self.line_quantity) * self.line_returned // self.line_quantity

    def line_paid(self, quantity: np.ndarray) -> np.ndarray:
        """Cents paid for each line, were `quantity` pieces of it bought: price less the order's percentage, rounded down."""
        return self.line_price * quantity - self.line_price * quantity * self.line_percent // 100


def draw_products(
    people: People, catalogue: Catalogue, person: np.ndarray, at: np.ndarray, category: np.ndarray, draw: np.ndarray
) -> np.ndarray:
    """One product per entry, by popularity, brand taste and price level; `category` -1 draws the shelf by affinity too.

    `person` -1 is an unknown visitor with average taste. Only products launched and in stock at the moment are drawn.
    """
    product = np.empty(len(person), dtype=np.int64)
    distance = np.array([[1.0, 0.45, 0.12], [0.5, 1.0, 0.45], [0.15, 0.6, 1.0]])
    for begin in range(0, len(person), AT_ONCE):
        rows = slice(begin, begin + AT_ONCE)
        who, known = np.maximum(person[rows], 0), person[rows] >= 0
        taste = people.brand_taste[who][:, catalogue.brand] * distance[people.column("price_level")[who]][:, catalogue.band]
        weight = catalogue.popularity * np.where(known[:, None], taste, 1.0)
        vegan = people.column("diet")[who] == "vegan"
        edible = np.isin(catalogue.category, (2, 4))
        weight *= np.where((vegan & known)[:, None] & edible & ~catalogue.vegan, 0.05, 1.0)
        available = (catalogue.launched_at <= at[rows, None]) & (catalogue.sold_out_at > at[rows, None])
        weight = np.where(available, weight, 0.0)
        shelf = np.zeros((len(who), len(CATEGORIES)))
        for number in range(len(CATEGORIES)):
            shelf[:, number] = weight[:, catalogue.category == number].sum(axis=1)
        fixed = category[rows]
        free = np.where(known[:, None], people.affinity[who], 1.0 / len(CATEGORIES)) / np.maximum(shelf, 1e-9)
        chosen = np.where(fixed[:, None] >= 0, np.arange(len(CATEGORIES)) == fixed[:, None], free)
        weight *= chosen[:, catalogue.category]
        cumulative = np.cumsum(weight, axis=1)
        target = draw[rows, None] * cumulative[:, -1:]
        product[rows] = (cumulative > target).argmax(axis=1)
    return product


def draw_variants(people: People, catalogue: Catalogue, person: np.ndarray, product: np.ndarray, draw: np.ndarray) -> np.ndarray:
    """One variant per product: the person's own clothing size, else small packs more often than large."""
    count = catalogue.variant_count[product]
    place = np.minimum((draw**1.6 * count).astype(np.int64), count - 1)
    size = np.searchsorted(np.array(["L", "M", "S", "XL", "XS"]), people.column("clothing_size")[np.maximum(person, 0)].astype(str))
    own = np.array([3, 2, 1, 4, 0])[size]
    dressed = (catalogue.category[product] == 7) & (person >= 0) & (draw < 0.92)
    return catalogue.first_variant[product] + np.where(dressed, own, place)


def fill_baskets(clock: Clock, people: People, catalogue: Catalogue, visits: Visits, codes: tuple[str, ...], seed: int) -> Purchases:
    """Fills every visit's basket. `codes` are the campaigns' discount codes by campaign number."""
    rng = stream(seed, "baskets")
    count = len(visits.person)
    lines = np.minimum(1 + rng.poisson(0.75, count), 6)
    order = np.repeat(np.arange(count), lines)
    leading = np.concatenate(([True], order[1:] != order[:-1])) if count else np.array([], dtype=bool)
    person, at = visits.person[order], visits.at[order]
    category = np.where(leading & (visits.refill[order] >= 0), visits.refill[order], -1)
    product = draw_products(people, catalogue, person, at, category, rng.random(len(order)))

    # Habit: refills mostly take the person's own product of that shelf.
    habit = np.flatnonzero((category >= 0) & (rng.random(len(order)) < 0.7))
    if len(habit):
        fixed = stream(seed, "favourites").random((len(people), len(CATEGORIES)))
        opening = np.full(len(habit), clock.start)
        own = draw_products(people, catalogue, person[habit], opening, category[habit], fixed[person[habit], category[habit]])
        product[habit] = np.where(catalogue.on_sale(own, at[habit]), own, product[habit])

    # What goes together: a planted companion joins as a line of its own.
    companion = catalogue.goes_with[product]
    joins = np.flatnonzero((companion >= 0) & (rng.random(len(order)) < 0.35) & catalogue.on_sale(np.maximum(companion, 0), at))
    order = np.concatenate((order, order[joins]))
    product = np.concatenate((product, companion[joins]))
    place = np.argsort(order, kind="stable")
    order, product = order[place], product[place]
    person, at = visits.person[order], visits.at[order]
    variant = draw_variants(people, catalogue, person, product, rng.random(len(order)))
    # The same variant twice in an order is one line.
    _, kept = np.unique(order * len(catalogue.variant_sku) + variant, return_index=True)
    kept = np.sort(kept)
    order, product, variant, person, at = order[kept], product[kept], variant[kept], person[kept], at[kept]
    quantity = 1 + rng.geometric(0.82, len(order)) - 1
    quantity = np.minimum(quantity, 5)
    price = catalogue.price_at(variant, at)

    love = people.column("discount_love")[visits.person]
    draw = rng.random(count)
    code = np.full(count, "", dtype=object)
    seasonal = np.array(["SAVE10", "SPRING15", "DANKE20"], dtype=object)[rng.integers(0, 3, count)]
    used = (draw < 0.4 * love) & (visits.channel != STORE)
    code[used] = seasonal[used]
    code[visits.first & (draw < 0.45) & (visits.channel != STORE)] = "WELCOME10"
    from_campaign = np.flatnonzero((visits.campaign >= 0) & (draw < 0.35))
    code[from_campaign] = [codes[number] for number in visits.campaign[from_campaign]]
    percent = np.array([_percent(text) for text in code], dtype=np.int64)
    discount = price * quantity * percent[order] // 100
    shipped = visits.channel != STORE
    subtotal = np.bincount(order, weights=price * quantity - discount, minlength=count)
    shipping = np.where(shipped & (subtotal < 5000), 490, 0)

    first_line = np.searchsorted(order, np.arange(count))
    edited = np.where(shipped & (rng.random(count) < 0.008), visits.at + rng.integers(2 * 3600, 3 * DAY, count), NEVER)
    cancelled = np.where(shipped & (rng.random(count) < 0.018), visits.at + rng.integers(1800, 2 * DAY, count), NEVER)
    cancelled = np.where(edited < NEVER, NEVER, cancelled)
    rate = np.array([shelf.refund_rate for shelf in CATEGORIES])[catalogue.category[product]]
    sent_back = (rng.random(len(order)) < rate) & (shipped & (cancelled == NEVER))[order]
    returned = np.where(sent_back, rng.integers(1, quantity + 1), 0)
    any_back = np.bincount(order, weights=returned, minlength=count) > 0
    refunded = np.where(any_back, visits.at + rng.integers(4 * DAY, 26 * DAY, count), NEVER)
    guest = _draw_guests(people, visits, rng)
    return Purchases(
        visits, code, shipping, guest, edited, cancelled, refunded, order, variant, quantity, price, percent[order], returned, first_line
    )


def _percent(code: str) -> int:
    return int(code[-2:]) if code else 0


def _draw_guests(people: People, visits: Visits, rng: np.random.Generator) -> np.ndarray:
    """Purchases without an account: some people never open one, others forget to sign in."""
    return (people.column("always_guest")[visits.person] | (rng.random(len(visits.person)) < 0.02)) & (visits.channel == WEB)
