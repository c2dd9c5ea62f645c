"""An API that pages, throttles, hangs, breaks off and repeats: every order comes once, and the token stays where it belongs."""

from datetime import datetime
from functools import partial
from pathlib import Path

import pytest
from servers import ShopApi, serving

from dagster_project.settings import SHOPS
from dagster_project.shop import Shop, SourceSystem, load_shop
from dagster_project.sources import http_api, pulling
from dagster_project.sources.http_api import Api, ApiFailed, Patience
from dagster_project.sources.loading import load_shop_extracts
from dagster_project.sources.pulling import pull_shop
from dagster_project.warehouse import Warehouse

TOKEN = "shpat_canary0123456789"
NIGHT, NEXT, LATER = datetime(2026, 3, 5, 5), datetime(2026, 3, 6, 5), datetime(2026, 3, 6, 9)


def order(number: int, updated: str, price: str = "10.00") -> dict[str, object]:
    line = {"id": number * 10, "product_id": 1, "quantity": 1, "price": price}
    return {"id": number, "created_at": "2026-03-01T10:00:00Z", "updated_at": updated, "currency": "EUR", "line_items": [line]}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Warehouse, Path]:
    monkeypatch.setenv("SHOP_TOKEN", TOKEN)
    monkeypatch.setattr(http_api, "Api", partial(Api, patience=Patience(timeout=0.4, attempts=6, backoff=0.01)))
    warehouse = Warehouse(tmp_path / "store" / "warehouse.duckdb")
    warehouse.create()
    return warehouse, tmp_path / "store"


def shop_at(url: str, **how: object) -> Shop:
    source = SourceSystem(**{"kind": "http", "url": url, "token": "SHOP_TOKEN", "tables": ["orders"], **how})
    return load_shop(SHOPS / "small").model_copy(update={"sources": {"shopify": source}})


def night(store: tuple[Warehouse, Path], url: str, now: datetime, again: bool = False) -> list[tuple[int, int, int]]:
    """Pull and load; (in, loaded, duplicate) of each new batch."""
    warehouse, folder = store
    (pulled,) = pull_shop(warehouse, shop_at(url), folder, now, again)
    assert pulled.failure is None, pulled.failure
    batches = load_shop_extracts(warehouse, shop_at(url), folder)
    return [(batch.rows_in, batch.rows_loaded, batch.rows_duplicate) for batch in batches]


def held(store: tuple[Warehouse, Path]) -> list[tuple[int, str]]:
    return store[0].rows("select cast(id as integer), updated_at from sources.shopify__orders order by all")


def test_what_passes_by_itself_costs_no_row_and_doubles_none(store) -> None:
    rows = [order(n, f"2026-03-04T10:00:{n % 60:02d}Z") for n in range(1, 58)]
    troubles = [None, "reset", "seconds", "500", None, "hang", "half", "date", "shift", None]
    api = ShopApi(rows, trouble=troubles)
    with serving(api) as url:
        ((rows_in, loaded, duplicate),) = night(store, url, NIGHT)
    assert (rows_in, loaded, duplicate) == (60, 57, 3)
    assert held(store) == sorted((row["id"], row["updated_at"]) for row in rows)
    assert not api.trouble
    assert set(api.tokens) == {TOKEN}
    waited = [later - earlier for earlier, later in zip(api.answered, api.answered[1:], strict=False)]
    # After the 429 in seconds, and after the one with a date: no sooner than told.
    assert waited[2] >= 0.9
    assert waited[7] >= 0.9


def test_ties_and_late_commits_come_with_the_next_pull(store, monkeypatch) -> None:
    tie = "2026-03-04T10:00:00Z"
    api = ShopApi([order(n, tie) for n in range(1, 101)][:50])
    with serving(api) as url:
        night(store, url, NIGHT)
        # The other half of the tie, and an order committed after a later one had been seen.
        api.rows += [order(n, tie) for n in range(51, 101)] + [
            order(200, "2026-03-04T09:58:00Z"),
            order(1, "2026-03-05T12:00:00Z", "12.00"),
        ]
        night(store, url, NEXT)
    assert [number for number, _ in held(store)] == [1, 1, *range(2, 101), 200]


@pytest.mark.parametrize("bug", ["strictly after the newest", "no overlap"])
def test_the_control_loses_them(store, monkeypatch, bug) -> None:
    """The same night under a cursor that begins behind the newest value, or exactly at it: rows are lost."""
    tie = "2026-03-04T10:00:00Z"
    start = pulling.start_of
    monkeypatch.setattr(pulling, "start_of", lambda newest, overlap: start(newest, -1 if bug.startswith("strictly") else 0))
    api = ShopApi([order(n, tie) for n in range(1, 51)])
    with serving(api) as url:
        night(store, url, NIGHT)
        api.rows += [order(n, tie) for n in range(51, 101)] + [order(200, "2026-03-04T09:58:00Z")]
        night(store, url, NEXT)
    lost = {*range(1, 101), 200} - {number for number, _ in held(store)}
    assert lost == ({*range(51, 101), 200} if bug.startswith("strictly") else {200})


def test_a_night_is_pulled_once_and_asks_only_for_what_is_new(store) -> None:
    api = ShopApi([order(n, f"2026-03-04T1{n % 10}:00:00Z") for n in range(1, 31)])
    with serving(api) as url:
        assert night(store, url, NIGHT) == [(30, 30, 0)]
        assert pull_shop(store[0], shop_at(url), store[1], NIGHT) == []
        assert night(store, url, NEXT) == [(3, 0, 3)]
        assert "updated_at_min=2026-03-04T18%3A55%3A00" in api.requests[-1]
        api.rows.append(order(31, "2026-03-06T08:00:00Z"))
        assert night(store, url, LATER, again=True)[-1] == (4, 1, 3)
    stamps = store[0].rows("select distinct extracted_at from sources.load_ledger order by 1")
    assert stamps == [(NIGHT,), (NEXT,), (LATER,)]


def test_a_pull_that_breaks_for_good_lands_nothing_and_says_so_without_the_token(store, capfd) -> None:
    api = ShopApi([order(n, "2026-03-04T10:00:00Z") for n in range(1, 31)], trouble=[None, "401"])
    with serving(api) as url:
        (pulled,) = pull_shop(store[0], shop_at(url), store[1], NIGHT)
        assert pulled.failure is not None
        assert "answered 401: the token is wrong or has run out" in pulled.failure
        assert list((store[1] / "pulled").rglob("*.gz")) == []
        assert night(store, url, NIGHT) == [(30, 30, 0)]
    assert TOKEN not in pulled.failure + "".join(capfd.readouterr())


def test_the_token_goes_to_no_other_host(store) -> None:
    other = ShopApi([])
    api = ShopApi([order(n, "2026-03-04T10:00:00Z") for n in range(1, 31)])
    with serving(api) as url, serving(other) as elsewhere:
        api.host_of_next = elsewhere.removeprefix("http://").removesuffix("/admin")
        (pulled,) = pull_shop(store[0], shop_at(url), store[1], NIGHT)
    assert pulled.failure is not None
    assert "only its own host is asked" in pulled.failure
    assert (len(api.requests), other.requests) == (1, [])


def test_an_answer_without_the_rows_is_a_failure_not_an_empty_night(store) -> None:
    api = ShopApi([order(1, "2026-03-04T10:00:00Z")])
    with serving(api) as url, pytest.raises(ApiFailed, match="without a list of 'customers'"):
        list(Api(url, {}).pages("orders.json", {}, "customers"))
