"""What people buy and when: drop-out, seasons, refills, baskets, discounts, corrections, cancellations, returns, carts.

Purchases follow a buy-till-you-drop process (a rate and a lifetime per person, both shaped by who they are) in an
operational time that runs faster in December and on Sundays; refills of coffee, pet food and the like come on top.
The same process runs 365 days past the last day, so that the truth knows each person's next year.
"""

from dataclasses import dataclass, replace

import numpy as np

from simulator.catalogue import CATEGORIES, Catalogue
from simulator.clock import DAY, NEVER, Clock, at_local, local_days, stream
from simulator.people import People

FUTURE_DAYS = 365
WEB, APP, STORE = 0, 1, 2


@dataclass(frozen=True)
class Visits:
    """One entry per purchase before its basket is filled, in order of time.

    `refill` is the category number of a refill (-1: none), `campaign` and `variant` the numbers of the campaign that
    caused it (-1: none), `first` marks a person's first purchase.
    """

    person: np.ndarray
    at: np.ndarray
    channel: np.ndarray
    refill: np.ndarray
    campaign: np.ndarray
    variant: np.ndarray
    first: np.ndarray

    def take(self, order: np.ndarray) -> "Visits":
        return Visits(*(getattr(self, name)[order] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Life:
    """The latent course of each person: first purchase and drop-out (seconds, `NEVER` where it does not happen)."""

    first_at: np.ndarray
    drops_at: np.ndarray


def season(clock: Clock) -> tuple[np.ndarray, np.ndarray]:
    """Day numbers of the span and its future, and each day's demand (1.0 on average)."""
    days = np.arange(local_days(np.array([clock.start]))[0], local_days(np.array([clock.end]))[0] + FUTURE_DAYS + 1)
    dates = days.astype("datetime64[D]")
    day_of_year = (dates - dates.astype("datetime64[Y]")).astype(np.int64)
    christmas = 1.1 * np.exp(-(((day_of_year - 343) / 13.0) ** 2))
    spring = 0.3 * np.exp(-(((day_of_year - 120) / 25.0) ** 2))
    summer = -0.2 * np.exp(-(((day_of_year - 210) / 28.0) ** 2))
    weekday = np.array([1.02, 0.98, 0.97, 1.0, 0.94, 0.92, 1.17])[(days + 3) % 7]
    demand = (1 + christmas + spring + summer) * weekday
    return days, demand / demand.mean()


def draw_life(clock: Clock, people: People, seed: int) -> Life:
    """When each person first buys and when they drop out."""
    rng = stream(seed, "life")
    count = len(people)
    arrived = people.column("arrived_at")
    at_once = rng.random(count) < 0.56
    wait = np.where(at_once, rng.exponential(0.4, count), rng.exponential(1.0, count) * 420 / people.column("intent"))
    first = arrived + (wait * DAY).astype(np.int64) + 900
    horizon = clock.end + FUTURE_DAYS * DAY
    first = np.where(first < horizon, first, NEVER)
    drops = np.where(first < NEVER, first + (people.column("lifetime_days") * DAY).astype(np.int64), NEVER)
    return Life(first, drops)


def draw_visits(clock: Clock, people: People, life: Life, seed: int) -> Visits:
    """Every purchase that no campaign caused, from the first day to a year past the last."""
    rng = stream(seed, "visits")
    days, demand = season(clock)
    cumulative = np.concatenate(([0.0], np.cumsum(demand)))
    edges = np.concatenate((days, [days[-1] + 1])).astype(float)
    horizon_day = float(days[-1])
    buyers = np.flatnonzero(life.first_at < NEVER)
    first_day = local_days(life.first_at[buyers]).astype(float)
    last_day = np.minimum(life.drops_at[buyers] / DAY, horizon_day)
    span = np.maximum(np.interp(last_day, edges, cumulative) - np.interp(first_day + 1, edges, cumulative), 0.0)

    counts = rng.poisson(people.column("rate_year")[buyers] / 365.0 * span)
    who = np.repeat(np.arange(len(buyers)), counts)
    inner = np.interp(first_day[who] + 1, edges, cumulative) + rng.random(len(who)) * span[who]
    spontaneous = np.floor(np.interp(inner, cumulative, edges)).astype(np.int64)

    cycle = people.column("cycle_days")[buyers]
    most = int(np.ceil((horizon_day - first_day.min()) / 20)) + 1 if len(buyers) else 0
    refilling = np.flatnonzero(cycle > 0)
    gaps = rng.gamma(14.0, 1 / 14.0, (len(refilling), most)) * cycle[refilling, None]
    due = first_day[refilling, None] + np.cumsum(gaps, axis=1)
    kept = (due < last_day[refilling, None]) & (rng.random(due.shape) < 0.72)
    rows, _ = np.nonzero(kept)
    refill_who, refill_day = refilling[rows], due[kept].astype(np.int64)

    person = np.concatenate((buyers[who], buyers[refill_who]))
    day = np.concatenate((spontaneous, refill_day))
    at = draw_moments(people, person, day, rng)
    refill = np.concatenate((np.full(len(who), -1), people.column("cycle_category")[buyers[refill_who]]))
    person, at, refill = np.concatenate((buyers, person)), np.concatenate((life.first_at[buyers], at)), np.concatenate((np.full(len(buyers), -1), refill))
    first = np.arange(len(person)) < len(buyers)
    # The day of the first purchase may hold a second one at an earlier hour: it follows the first instead.
    at = np.maximum(at, life.first_at[person] + np.where(first, 0, 3600))
    none = np.full(len(person), -1)
    return assign_channels(people, Visits(person, at, np.zeros_like(person), refill, none, none, first), rng)


def draw_moments(people: People, person: np.ndarray, day: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Moments on the given local days, near each person's best hour as often as their habit is firm."""
    focused = rng.random(len(person)) < people.column("hour_focus")[person]
    near = people.column("best_hour")[person] + 0.5 + rng.normal(0, 1.1, len(person))
    usual = np.clip(rng.normal(15.5, 4.2, len(person)), 0.2, 23.7)
    seconds = (np.mod(np.where(focused, near, usual), 24.0) * 3600).astype(np.int64)
    at = at_local(day, seconds, "Europe/Berlin")
    british = people.column("timezone")[person] == "Europe/London"
    return np.where(british, at + 3600, at)


def assign_channels(people: People, visits: Visits, rng: np.random.Generator) -> Visits:
    """Where each purchase happens: card holders often in the store (09 to 20 local), app users often in the app."""
    draw = rng.random(len(visits.person))
    hour = ((visits.at + 3600) % DAY) // 3600
    weekday = (local_days(visits.at) + 3) % 7
    in_store = (people.column("card")[visits.person] != "") & (draw < 0.4) & (hour >= 9) & (hour < 20) & (weekday < 6) & ~visits.first
    in_app = people.column("app_user")[visits.person] & (draw > 0.45)
    channel = np.where(in_store, STORE, np.where(in_app, APP, WEB))
    return replace(visits, channel=channel)


def join_visits(parts: list[Visits]) -> Visits:
    """All visits in one order of time; ties in the order of persons."""
    whole = Visits(*(np.concatenate([getattr(part, name) for part in parts]) for name in Visits.__dataclass_fields__))
    return whole.take(np.lexsort((whole.person, whole.at)))


@dataclass(frozen=True)
class Purchases:
    """One entry per purchase (in order of time) and per line (`line_*`, in order of purchase). Money in cents.

    A corrected order showed one piece too many on its first line until `edited_at`. A cancelled order (`cancelled_at`)
    counts nothing; a returned line (`line_returned` pieces) counts less from `refunded_at` on. `NEVER`: did not happen.
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
    line_discount: np.ndarray
    line_returned: np.ndarray
    first_line: np.ndarray

    def net(self) -> np.ndarray:
        """Per purchase: lines after discounts, returns and cancellation, without shipping."""
        paid = self.line_price * self.line_quantity - self.line_discount
        kept = paid - self.line_refund()
        total = np.bincount(self.line_order, weights=kept, minlength=len(self.code)).astype(np.int64)
        return np.where(self.cancelled_at < NEVER, 0, total)

    def line_refund(self) -> np.ndarray:
        """Cents given back for the returned pieces of each line."""
        paid = self.line_price * self.line_quantity - self.line_discount
        return paid * self.line_returned // self.line_quantity


def draw_products(people: People, catalogue: Catalogue, person: np.ndarray, at: np.ndarray, category: np.ndarray, draw: np.ndarray) -> np.ndarray:
    """One product per entry, by popularity, brand taste and price level; `category` -1 draws the shelf by affinity too.

    `person` -1 is an unknown visitor with average taste. Only products launched and in stock at the moment are drawn.
    """
    product = np.empty(len(person), dtype=np.int64)
    distance = np.array([[1.0, 0.45, 0.12], [0.5, 1.0, 0.45], [0.15, 0.6, 1.0]])
    for begin in range(0, len(person), 20_000):
        rows = slice(begin, begin + 20_000)
        who, known = np.maximum(person[rows], 0), person[rows] >= 0
        weight = np.tile(catalogue.popularity, (len(who), 1))
        taste = people.brand_taste[who][:, catalogue.brand] * distance[people.column("price_level")[who]][:, catalogue.band]
        weight *= np.where(known[:, None], taste, 1.0)
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
        product[habit] = draw_products(people, catalogue, person[habit], opening, category[habit], fixed[person[habit], category[habit]])

    # What goes together: a planted companion joins as a line of its own.
    companion = catalogue.goes_with[product]
    joins = np.flatnonzero((companion >= 0) & (rng.random(len(order)) < 0.35))
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
    return Purchases(visits, code, shipping, guest, edited, cancelled, refunded, order, variant, quantity, price, discount, returned, first_line)


def _percent(code: str) -> int:
    return int(code[-2:]) if code else 0


def _draw_guests(people: People, visits: Visits, rng: np.random.Generator) -> np.ndarray:
    """Purchases without an account: some people never open one, others forget to sign in."""
    return (people.column("always_guest")[visits.person] | (rng.random(len(visits.person)) < 0.035)) & (visits.channel == WEB)


@dataclass(frozen=True)
class Carts:
    """One entry per checkout that was begun and left; `line_*` its lines. `completed_at` is the order's moment or `NEVER`.

    `order` is the number of the purchase it became, or -1.
    """

    person: np.ndarray
    at: np.ndarray
    completed_at: np.ndarray
    order: np.ndarray
    line_cart: np.ndarray
    line_variant: np.ndarray
    line_quantity: np.ndarray
    first_line: np.ndarray


def draw_carts(clock: Clock, people: People, catalogue: Catalogue, purchases: Purchases, life: Life, seed: int, window_days: int = 180) -> Carts:
    """Left carts of the last `window_days` days: some became an order hours later, most did not."""
    rng = stream(seed, "carts")
    begin = max(clock.start, clock.end - window_days * DAY)
    recent = np.flatnonzero((purchases.visits.at >= begin + 3 * DAY) & (purchases.visits.at < clock.end) & (purchases.visits.channel != STORE))
    recovered = recent[rng.random(len(recent)) < 0.11]
    lead = rng.integers(1800, 50 * 3600, len(recovered))
    rate = people.column("web_rate") * 0.13 * (0.4 + people.column("discount_love"))
    active = (life.drops_at > begin) & (people.column("arrived_at") < clock.end)
    counts = rng.poisson(rate * active * (clock.end - begin) / (30 * DAY))
    who = np.repeat(np.arange(len(people)), counts)
    open_from = np.maximum(people.column("arrived_at")[who], begin)
    open_until = np.maximum(np.minimum(life.drops_at[who], clock.end), open_from + 3600)
    day = local_days(open_from + (rng.random(len(who)) * (open_until - open_from)).astype(np.int64))
    at = np.maximum(draw_moments(people, who, day, rng), open_from + 60)
    keep = at < clock.end
    who, at = who[keep], at[keep]

    person = np.concatenate((purchases.visits.person[recovered], who))
    begun = np.maximum(purchases.visits.at[recovered] - lead, people.column("arrived_at")[purchases.visits.person[recovered]] + 60)
    moment = np.concatenate((begun, at))
    completed = np.concatenate((purchases.visits.at[recovered], np.full(len(who), NEVER)))
    became = np.concatenate((recovered, np.full(len(who), -1)))
    sort = np.lexsort((person, moment))
    person, moment, completed, became = person[sort], moment[sort], completed[sort], became[sort]

    count = len(person)
    lines = 1 + rng.poisson(0.7, count)
    cart = np.repeat(np.arange(count), lines)
    product = draw_products(people, catalogue, person[cart], moment[cart], np.full(len(cart), -1), rng.random(len(cart)))
    variant = draw_variants(people, catalogue, person[cart], product, rng.random(len(cart)))
    quantity = np.minimum(rng.geometric(0.85, len(cart)), 4)
    # A recovered cart holds what was bought.
    own = np.flatnonzero(became[cart] < 0)
    last_line = np.append(purchases.first_line[1:], len(purchases.line_order))
    bought = np.flatnonzero(became >= 0)
    sizes = last_line[became[bought]] - purchases.first_line[became[bought]]
    bought_cart = np.repeat(bought, sizes)
    starts = np.repeat(purchases.first_line[became[bought]] - np.concatenate(([0], np.cumsum(sizes)[:-1])), sizes) if len(bought) else np.array([], dtype=np.int64)
    bought_line = starts + np.arange(len(bought_cart))
    cart = np.concatenate((cart[own], bought_cart))
    variant = np.concatenate((variant[own], purchases.line_variant[bought_line]))
    quantity = np.concatenate((quantity[own], purchases.line_quantity[bought_line]))
    _, kept = np.unique(cart * len(catalogue.variant_sku) + variant, return_index=True)
    cart, variant, quantity = cart[kept], variant[kept], quantity[kept]
    return Carts(person, moment, completed, became, cart, variant, quantity, np.searchsorted(cart, np.arange(count)))
