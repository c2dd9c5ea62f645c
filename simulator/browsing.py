"""Web and app visits of the last weeks: who sat at which browser, what they looked at, when they gave themselves away."""

from dataclasses import dataclass

import numpy as np

from simulator.baskets import Purchases, draw_products, draw_variants
from simulator.behaviour import APP, STORE, Life, draw_moments
from simulator.campaigns import Campaign, Sends
from simulator.carts import Carts
from simulator.catalogue import Catalogue
from simulator.clock import DAY, NEVER, Clock, local_days, stream
from simulator.people import People
from simulator.records import Records

WINDOW_DAYS = 75
ANONYMOUS_SHARE = 0.30
SEARCHES = (
    "espresso",
    "geschenk",
    "bio kaffee",
    "hundefutter",
    "regenjacke",
    "handcreme",
    "leinen bettwäsche",
    "notizbuch",
    "thé vert",
    "vegan chocolate",
    "zelt",
    "french press",
)
EVENT_NAMES = (
    "session_start",
    "page_view",
    "screen_view",
    "view_search_results",
    "view_item",
    "scroll",
    "add_to_cart",
    "login",
    "begin_checkout",
    "purchase",
)
START, PAGE, SCREEN, SEARCH, VIEW, SCROLL, ADD, LOGIN, CHECKOUT, PURCHASE = range(len(EVENT_NAMES))
BROWSE, CART, ORDER, CLICK = range(4)
DEVICES = (
    ("desktop", "Windows", "Chrome", "WEB"),
    ("desktop", "Macintosh", "Safari", "WEB"),
    ("mobile", "iOS", "Safari", "WEB"),
    ("mobile", "Android", "Chrome", "WEB"),
    ("tablet", "iOS", "Safari", "WEB"),
    ("mobile", "iOS", "", "IOS"),
    ("mobile", "Android", "", "ANDROID"),
)


@dataclass(frozen=True)
class Browsing:
    """One entry per browser (`browser_*`), per session (`session_*`) and per event (`event_*`, in order of time).

    `browser_owner` and `session_person` are people (-1: never identified), `session_account` the shop record signed in
    with (-1: nobody), `session_order` and `session_cart` the purchase or cart of the session (-1: none),
    `event_signed_in` whether the event carries the user's id, `event_variant` what was looked at or added (-1: nothing).
    """

    browser_owner: np.ndarray
    browser_device: np.ndarray
    browser_code: np.ndarray
    session_browser: np.ndarray
    session_person: np.ndarray
    session_kind: np.ndarray
    session_account: np.ndarray
    session_order: np.ndarray
    session_cart: np.ndarray
    session_campaign: np.ndarray
    session_variant: np.ndarray
    session_start: np.ndarray
    session_number: np.ndarray
    event_session: np.ndarray
    event_name: np.ndarray
    event_at: np.ndarray
    event_micros: np.ndarray
    event_variant: np.ndarray
    event_quantity: np.ndarray
    event_search: np.ndarray
    event_signed_in: np.ndarray


def draw_browsing(
    clock: Clock,
    people: People,
    catalogue: Catalogue,
    life: Life,
    accounts: Records,
    owners: np.ndarray,
    purchases: Purchases,
    carts: Carts,
    sends: Sends,
    campaigns: tuple[Campaign, ...],
    seed: int,
) -> Browsing:
    """Draws the visits of the last `WINDOW_DAYS` days. `owners` is the shop record of each purchase (-1: none)."""
    rng = stream(seed, "browsing")
    begin = max(clock.start, clock.end - WINDOW_DAYS * DAY)
    count = len(people)
    bought = np.flatnonzero((purchases.visits.at >= begin) & (purchases.visits.at < clock.end) & (purchases.visits.channel != STORE))
    left = np.flatnonzero((carts.at >= begin) & (carts.at < clock.end))
    clicked = np.flatnonzero((sends.clicked_at >= begin) & (sends.clicked_at < clock.end) & ~sends.caused.astype(bool))
    who, at = _browsing_moments(clock, people, life, begin, rng)
    considering, considered_at = _looks_before_buying(clock, people, life, begin, stream(seed, "considering"))
    who, at = np.concatenate((who, considering)), np.concatenate((at, considered_at))
    strangers = int(len(who) * ANONYMOUS_SHARE)
    visits_each = 1 + rng.geometric(0.7, strangers) - 1
    stranger = np.repeat(np.arange(strangers), visits_each)
    stranger_at = begin + (rng.random(len(stranger)) * (clock.end - begin)).astype(np.int64)
    stranger_at = draw_moments(people, rng.integers(0, count, len(stranger)), local_days(stranger_at), rng)

    sizes = [len(bought), len(left), len(clicked), len(who), len(stranger)]
    kind = np.repeat([ORDER, CART, CLICK, BROWSE, BROWSE], sizes)
    person = np.concatenate((purchases.visits.person[bought], carts.person[left], sends.person[clicked], who, np.full(len(stranger), -1)))
    anchor = np.concatenate((purchases.visits.at[bought], carts.at[left], sends.clicked_at[clicked], at, stranger_at))
    order, cart, campaign, variant = (np.full(len(kind), -1) for _ in range(4))
    order[: sizes[0]] = bought
    cart[sizes[0] : sizes[0] + sizes[1]] = left
    campaign[: sizes[0]], variant[: sizes[0]] = purchases.visits.campaign[bought], purchases.visits.variant[bought]
    clicks = slice(sizes[0] + sizes[1], sizes[0] + sizes[1] + sizes[2])
    campaign[clicks], variant[clicks] = sends.campaign[clicked], sends.variant[clicked]

    in_app = np.where(kind == ORDER, purchases.visits.channel[np.maximum(order, 0)] == APP, False)
    in_app |= (
        (kind != ORDER) & (kind != CLICK) & (person >= 0) & people.column("app_user")[np.maximum(person, 0)] & (rng.random(len(kind)) < 0.5)
    )
    browser = _browsers_of(people, person, in_app, rng)
    browser[person < 0] = 3 * count + stranger
    devices = np.concatenate(
        (
            rng.choice(5, 2 * count, p=(0.28, 0.12, 0.28, 0.27, 0.05)),
            rng.choice((5, 6), count),
            rng.choice(5, strangers, p=(0.2, 0.1, 0.33, 0.32, 0.05)),
        )
    )

    draw = rng.random(len(kind))
    account = np.where(person >= 0, accounts.owner_at(np.maximum(person, 0), anchor, rng.random(len(kind))), -1)
    created = accounts.column("created_at")
    account = np.where((account >= 0) & (created[np.maximum(account, 0)] <= anchor), account, -1)
    # Whoever has a name here and thinks of a first purchase signs in to fill a wish list or a cart.
    undecided = (kind == BROWSE) & (life.first_at[np.maximum(person, 0)] > anchor)
    signs_in = in_app | (draw < np.where(undecided, 0.4, np.array([0.3, 0.5, 1.0, 0.15])[kind]))
    account = np.where(signs_in, account, -1)
    account = np.where(kind == ORDER, owners[np.maximum(order, 0)], account)

    events = _expand(people, catalogue, purchases, carts, person, anchor, kind, order, cart, in_app, account, rng)
    session, name, moment, event_variant, quantity, search, signed = events
    starts = np.full(len(kind), NEVER)
    np.minimum.at(starts, session, moment)
    keep = (starts >= begin)[session] & (moment < clock.end)
    sort = np.flatnonzero(keep)
    sort = sort[np.lexsort((name[sort], session[sort], moment[sort]))]
    rank = np.lexsort((np.arange(len(kind)), starts, browser))
    place = np.empty(len(kind), dtype=np.int64)
    first = np.concatenate(([0], np.flatnonzero(np.diff(browser[rank])) + 1)) if len(rank) else np.array([], dtype=np.int64)
    place[rank] = np.arange(len(rank)) - np.repeat(first, np.diff(np.append(first, len(rank)))) + 1
    return Browsing(
        browser_owner=np.concatenate((np.tile(np.arange(count), 3), np.full(strangers, -1))),
        browser_device=devices,
        browser_code=rng.integers(100_000_000, 2_147_483_647, len(devices)),
        session_browser=browser,
        session_person=person,
        session_kind=kind,
        session_account=account,
        session_order=order,
        session_cart=cart,
        session_campaign=campaign,
        session_variant=variant,
        session_start=starts,
        session_number=place,
        event_session=session[sort],
        event_name=name[sort],
        event_at=moment[sort],
        event_micros=moment[sort] * 1_000_000 + rng.integers(0, 1_000_000, len(sort)),
        event_variant=event_variant[sort],
        event_quantity=quantity[sort],
        event_search=search[sort],
        event_signed_in=signed[sort],
    )


def _browsing_moments(clock: Clock, people: People, life: Life, begin: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Visits without a cart: active buyers come as often as their nature is, the lost seldom, prospects by intent."""
    count = len(people)
    # People look around before they leave a name: those visits stay anonymous until they do.
    arrived = people.column("arrived_at") - (rng.exponential(5.0, count) * DAY).astype(np.int64)
    months = np.maximum(clock.end - np.maximum(arrived, begin), 0) / (30 * DAY)
    prospect = life.first_at >= clock.end
    stays = np.clip((np.minimum(life.drops_at, clock.end) - begin) / (clock.end - begin), 0, 1)
    level = np.where(prospect, 0.35 + 0.9 * people.column("intent"), 0.15 + 0.85 * stays)
    counts = rng.poisson(people.column("web_rate") * months * level)
    who = np.repeat(np.arange(count), counts)
    open_from = np.maximum(arrived[who], begin)
    day = local_days(open_from + (rng.random(len(who)) * (clock.end - open_from)).astype(np.int64))
    # Most visits of those who dropped out lie before they did.
    late = (life.drops_at[who] < clock.end) & (life.drops_at[who] > open_from) & (rng.random(len(who)) < 0.8)
    early = local_days(
        open_from + (rng.random(len(who)) * np.maximum(np.minimum(life.drops_at[who], clock.end) - open_from, 0)).astype(np.int64)
    )
    day = np.where(late, early, day)
    at = np.maximum(draw_moments(people, who, day, rng), open_from + 30)
    keep = at < clock.end - 1800
    return who[keep], at[keep]


def _looks_before_buying(clock: Clock, people: People, life: Life, begin: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The visits in which people who have left a name compare and hesitate, the more the nearer their first purchase is."""
    waiting = np.flatnonzero((life.first_at > people.column("arrived_at") + 2 * DAY) & (life.first_at < clock.end + 60 * DAY))
    who = np.repeat(waiting, rng.poisson(3.0, len(waiting)))
    ahead = (rng.exponential(9.0, len(who)) * DAY).astype(np.int64)
    at = draw_moments(people, who, local_days(life.first_at[who] - ahead), rng)
    keep = (at >= np.maximum(begin, people.column("arrived_at")[who])) & (at < np.minimum(life.first_at[who], clock.end - 1800))
    return who[keep], at[keep]


def _browsers_of(people: People, person: np.ndarray, in_app: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The browser of each session: own, second device, app, or the household's shared one (numbers: own, +n, +2n)."""
    count = len(people)
    second = rng.random(count) < 0.35
    household = people.column("household")
    order = np.argsort(household, kind="stable")
    paired = order[household[order] >= 0].reshape(-1, 2)
    lends = np.full(count, -1)
    shared = rng.random(len(paired)) < 0.4
    lends[paired[shared, 1]] = paired[shared, 0]
    draw, who = rng.random(len(person)), np.maximum(person, 0)
    browser = np.where(second[who] & (draw < 0.4), who + count, who)
    borrowed = (lends[who] >= 0) & (draw > 0.65)
    browser = np.where(borrowed, lends[who], browser)
    return np.where(in_app, who + 2 * count, browser)


def _expand(
    people: People,
    catalogue: Catalogue,
    purchases: Purchases,
    carts: Carts,
    person: np.ndarray,
    anchor: np.ndarray,
    kind: np.ndarray,
    order: np.ndarray,
    cart: np.ndarray,
    in_app: np.ndarray,
    account: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, ...]:
    """Each session's events: session, name, moment, variant, quantity, search (number), signed in."""
    sessions = len(kind)
    everyone = np.arange(sessions)
    page = np.where(in_app, SCREEN, PAGE)
    views = rng.poisson(np.array([1.7, 0.6, 0.5, 0.9])[kind]) + (kind == BROWSE)
    looks = np.repeat(everyone, views)
    known = person[looks]
    looked = draw_products(people, catalogue, known, anchor[looks], np.full(len(looks), -1), rng.random(len(looks)))
    looked = draw_variants(people, catalogue, known, looked, rng.random(len(looks)))

    line_session, line_variant, line_quantity = _basket_lines(purchases, carts, order, cart)
    looks = np.concatenate((looks, line_session))
    looked = np.concatenate((looked, line_variant))
    amount = np.concatenate((np.ones(len(looks) - len(line_session), dtype=np.int64), line_quantity))
    basket = np.arange(len(looks)) >= len(looks) - len(line_session)
    step = 3.0 + rng.random(len(looks)) * 10
    scrolls = (rng.random(len(looks)) < 0.5) & ~in_app[looks]
    adds = basket | (rng.random(len(looks)) < 0.06)
    searched = np.flatnonzero(rng.random(sessions) < 0.17)
    signed_in = np.flatnonzero((account >= 0) & ~in_app)
    # Visitors without a basket sign in early or not at all, the others on their way to the checkout.
    signs_at = np.where(kind == BROWSE, 1.5, 14.0)
    checkouts = np.flatnonzero((kind == CART) | (kind == ORDER))
    ordered = np.flatnonzero(kind == ORDER)

    pieces = [
        (everyone, np.full(sessions, START), np.zeros(sessions), -1, 0),
        (everyone, page, np.full(sessions, 1.0), -1, 0),
        (searched, np.full(len(searched), SEARCH), np.full(len(searched), 2.0), -1, 0),
        (looks, page[looks], step, looked, 0),
        (looks, np.full(len(looks), VIEW), step + 0.01, looked, 1),
        (looks[scrolls], np.full(int(scrolls.sum()), SCROLL), step[scrolls] + 0.02, looked[scrolls], 0),
        (looks[adds], np.full(int(adds.sum()), ADD), step[adds] + 0.04, looked[adds], amount[adds]),
        (signed_in, np.full(len(signed_in), LOGIN), signs_at[signed_in], -1, 0),
        (checkouts, np.full(len(checkouts), CHECKOUT), np.full(len(checkouts), 15.0), -1, 0),
        (ordered, np.full(len(ordered), PURCHASE), np.full(len(ordered), 16.0), -1, 0),
    ]
    session = np.concatenate([piece[0] for piece in pieces])
    name = np.concatenate([piece[1] for piece in pieces])
    place = np.concatenate([piece[2] for piece in pieces])
    variant = np.concatenate([np.broadcast_to(piece[3], len(piece[0])) for piece in pieces])
    quantity = np.concatenate([np.broadcast_to(piece[4], len(piece[0])) for piece in pieces])
    sort = np.lexsort((name, place, session))
    session, name, place, variant, quantity = session[sort], name[sort], place[sort], variant[sort], quantity[sort]

    gaps = np.maximum((rng.gamma(1.3, 26.0, len(session))).astype(np.int64), 1)
    gaps[np.concatenate(([True], session[1:] != session[:-1]))] = 0
    gaps[(name == VIEW) | ((name == PAGE) & (place == 1.0))] = 1
    total = np.cumsum(gaps)
    first = np.searchsorted(session, everyone)
    offset = total - total[first][session]
    ends = np.append(first[1:], len(session)) - 1
    # Orders and carts end their session at their own moment; other visits begin there.
    shift = np.where((kind == ORDER) | (kind == CART), offset[ends], 0)
    moment = anchor[session] + offset - shift[session]
    search = np.where(name == SEARCH, rng.integers(0, len(SEARCHES), len(session)), -1)
    since = np.where(in_app[session], 0.0, signs_at[session])
    signed = (account[session] >= 0) & (place >= since)
    return session, name, moment, variant, quantity, search, signed


def _basket_lines(purchases: Purchases, carts: Carts, order: np.ndarray, cart: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    parts = []
    for number, first_line, lines, variants, quantities in (
        (order, purchases.first_line, purchases.line_order, purchases.line_variant, purchases.line_quantity),
        (cart, carts.first_line, carts.line_cart, carts.line_variant, carts.line_quantity),
    ):
        rows = np.flatnonzero(number >= 0)
        last = np.append(first_line[1:], len(lines))
        sizes = last[number[rows]] - first_line[number[rows]]
        begins = np.repeat(first_line[number[rows]], sizes)
        inside = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        parts.append((np.repeat(rows, sizes), variants[begins + inside], quantities[begins + inside]))
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))
