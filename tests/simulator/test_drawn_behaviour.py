"""The demo shop as it is drawn: what is planted is there, and strong enough to be found."""

from datetime import date

import numpy as np
import pytest

from simulator.behaviour import season
from simulator.clock import DAY, NEVER, Clock
from simulator.consent import EMAIL
from simulator.shelves import CATEGORIES
from simulator.shop import Shop, draw_shop


@pytest.fixture(scope="module")
def shop() -> Shop:
    return draw_shop(customers=800, months=12, days=7, seed=5, last_day=date(2026, 3, 14))


def test_demand_is_highest_in_december_and_on_sundays() -> None:
    days, demand = season(Clock(date(2026, 3, 14), 24, 14))
    months = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12
    by_month = [demand[months == month].mean() for month in range(12)]
    by_weekday = [demand[(days + 3) % 7 == weekday].mean() for weekday in range(7)]
    assert int(np.argmax(by_month)) == 11
    assert by_month[11] > 1.4
    assert int(np.argmax(by_weekday)) == 6


def test_nobody_buys_before_they_arrive_or_after_they_dropped_out(shop: Shop) -> None:
    visits = shop.purchases.visits
    own = visits.campaign < 0
    person, at = visits.person[own], visits.at[own]
    assert (at >= shop.people.column("arrived_at")[person]).all()
    # Drop-out is drawn to the second, visits to the day.
    assert (at <= shop.life.drops_at[person] + DAY + 3600).all()


def test_refills_come_about_once_a_cycle(shop: Shop) -> None:
    visits = shop.purchases.visits
    rows = np.flatnonzero(visits.refill >= 0)
    rows = rows[np.lexsort((visits.at[rows], visits.person[rows]))]
    same = visits.person[rows][1:] == visits.person[rows][:-1]
    gaps = np.diff(visits.at[rows])[same] / DAY / shop.people.column("cycle_days")[visits.person[rows]][1:][same]
    # Seven refills in ten are bought here, so that gaps are one, two or more cycles.
    assert 0.85 < np.median(gaps) < 1.2
    assert (gaps < 0.3).mean() < 0.02


def test_people_buy_what_they_like(shop: Shop) -> None:
    bought = shop.purchases
    person = bought.visits.person[bought.line_order]
    category = shop.catalogue.category[shop.catalogue.variant_product[bought.line_variant]]
    counts = np.zeros((len(shop.people), len(CATEGORIES)))
    np.add.at(counts, (person, category), 1)
    many = counts.sum(axis=1) >= 12
    top = (counts[many].argmax(axis=1) == shop.people.affinity[many].argmax(axis=1)).mean()
    assert top > 0.5, "by chance it would be about 0.1"


def test_a_corrected_order_shows_one_piece_too_many_until_it_is_corrected(shop: Shop) -> None:
    bought = shop.purchases
    corrected = np.flatnonzero(bought.edited_at < NEVER)
    assert len(corrected) > 5
    for order in corrected:
        moment = int(bought.edited_at[order])
        first = bought.first_line[order]
        before, after = bought.net(moment)[order], bought.net(moment + 1)[order]
        assert before > after
        assert abs(before - after - bought.line_price[first] * (100 - bought.line_percent[first]) / 100) <= 1


def test_a_cancelled_order_counts_nothing_and_a_return_counts_from_its_day(shop: Shop) -> None:
    bought = shop.purchases
    cancelled = np.flatnonzero(bought.cancelled_at < NEVER)
    assert (bought.net()[cancelled] == 0).all()
    assert (bought.net(0)[cancelled] > 0).all()
    returned = np.flatnonzero(bought.refunded_at < NEVER)
    assert (bought.net()[returned] < bought.net(0)[returned]).all()


def test_nothing_is_bought_before_its_launch_or_after_it_sold_out(shop: Shop) -> None:
    bought, catalogue = shop.purchases, shop.catalogue
    product = catalogue.variant_product[bought.line_variant]
    at = bought.visits.at[bought.line_order]
    assert catalogue.on_sale(product, at).all()
    assert (catalogue.sold_out_at < shop.clock.end).any()


def test_a_withdrawal_ends_consent_at_its_moment(shop: Shop) -> None:
    consents = shop.consents
    gone = np.flatnonzero((consents.until[:, EMAIL] < NEVER) & (consents.again[:, EMAIL] == NEVER))
    moments = consents.until[gone, EMAIL]
    assert len(gone) > 20
    assert consents.given(gone, EMAIL, moments - 1).all()
    assert not consents.given(gone, EMAIL, moments).any()


def test_nobody_is_mailed_without_consent(shop: Shop) -> None:
    mailed = shop.sends.variant >= 0
    starts = np.array([campaign.send_at for campaign in shop.campaigns])[shop.sends.campaign[mailed]]
    assert shop.consents.given(shop.sends.person[mailed], EMAIL, starts).all()


def test_every_mailbox_is_one_persons_or_one_firms(shop: Shop) -> None:
    mailboxes = [address for column in ("email", "other_email", "firm_email") for address in shop.people.column(column) if address]
    assert len(set(mailboxes)) == len(mailboxes)
    # People of one name would else have the same second mailbox.
    wanted = [
        f"{address.split('@')[0]}@{other.split('@')[1]}"
        for address, other in zip(shop.people.column("email"), shop.people.column("other_email"), strict=True)
    ]
    assert len(set(wanted)) < len(wanted) or set(wanted) & set(shop.people.column("email"))
