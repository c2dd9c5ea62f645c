"""Stores of the small shop, built once per test session and copied where a test changes them."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from dagster_project.lease import hold
from dagster_project.settings import SHOPS, Settings, load
from dagster_project.warehouse import Warehouse

SMALL = SHOPS / "small"
DAYS = [date(2026, 3, day) for day in range(1, 11)]


@pytest.fixture(scope="session")
def small_settings(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Settings]:
    """Settings of a fresh store of the small shop, or of a copy of it that a test may change."""

    def make(shop: Path = SMALL, threads: int = 2) -> Settings:
        home = tmp_path_factory.mktemp("store")
        return replace(load({"DEARLY_HOME": str(home)}, shop=str(shop)), threads=threads)

    return make


@pytest.fixture
def bare(tmp_path: Path) -> Settings:
    """The small shop with a store that holds nothing but its bookkeeping tables."""
    settings = load({"DEARLY_HOME": str(tmp_path)}, shop=str(SMALL))
    settings.store.mkdir(parents=True)
    Warehouse(settings.warehouse).create()
    return settings


@pytest.fixture(scope="session")
def build() -> Callable[..., Settings]:
    """Build days of a store, as `dearly run` does."""

    def run(settings: Settings, days: list[date], **how: object) -> Settings:
        from dagster_project.runs import run_days

        run_days(settings, days, **how)  # type: ignore[arg-type]
        return settings

    return run


@pytest.fixture(scope="session")
def build_stages() -> Callable[..., Settings]:
    """Build some stages of one day, as a run does."""

    def run(settings: Settings, stages: Sequence[str], day: date) -> Settings:
        import dagster as dg

        from dagster_project.definitions import build_definitions
        from dagster_project.resources import Store
        from dagster_project.runs import instance_of, refuse_failed

        assets, selection = list(build_definitions(settings).assets or []), dg.AssetSelection.groups(*stages)
        with hold(settings.store, "a test"), instance_of(settings) as instance:
            how = {"resources": {"store": Store.of(settings)}, "partition_key": str(day), "selection": selection, "raise_on_error": False}
            refuse_failed(dg.materialize(assets, instance=instance, **how))
        return settings

    return run


@pytest.fixture(scope="session")
def backfilled(small_settings: Callable[..., Settings], build: Callable[..., Settings]) -> Settings:
    """Ten days as one backfill."""
    return build(small_settings(), DAYS)


@pytest.fixture(scope="session")
def day_by_day(small_settings: Callable[..., Settings], build: Callable[..., Settings]) -> Settings:
    """The same ten days one by one, on one thread."""
    settings = small_settings(threads=1)
    for day in DAYS:
        build(settings, [day])
    return settings


@pytest.fixture(scope="session")
def nine_nights(
    small_settings: Callable[..., Settings], build: Callable[..., Settings], tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    """Nine days built while the tenth night's extracts have not come: a copy of the shop without them."""
    shop = tmp_path_factory.mktemp("shops") / "small"
    shutil.copytree(SMALL, shop)
    for path in shop.glob("extracts/*/*/*20260311T*"):
        path.unlink()
    return build(small_settings(shop), DAYS[:9])


@pytest.fixture
def copy_of(tmp_path: Path) -> Callable[..., Settings]:
    """A copy of a store and its shop that a test may change."""

    def copy(settings: Settings, name: str = "copy") -> Settings:
        shop = tmp_path / name / "shops" / settings.shop
        shutil.copytree(settings.shop_folder, shop)
        home = tmp_path / name / "home"
        shutil.copytree(settings.home, home)
        return replace(settings, shop_folder=shop, home=home)

    return copy


@pytest.fixture
def tenth_night() -> Callable[[Settings], None]:
    """Let the tenth night's extracts come."""

    def come(settings: Settings) -> None:
        for path in SMALL.glob("extracts/*/*/*20260311T*"):
            shutil.copy(path, settings.shop_folder / path.relative_to(SMALL))

    return come


@pytest.fixture
def rows() -> Callable[..., list[tuple[object, ...]]]:
    """Ask a store's warehouse."""

    def ask(settings: Settings, sql: str, *parameters: object) -> list[tuple[object, ...]]:
        return Warehouse(settings.warehouse).rows(sql, list(parameters))

    return ask


@pytest.fixture(scope="session")
def days() -> list[date]:
    return DAYS
