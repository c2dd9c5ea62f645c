"""What assets are given: the shop's store, held for the whole run."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import dagster as dg
from pydantic import Field, PrivateAttr

from dagster_project.garbage import collect_seldom
from dagster_project.lease import hold
from dagster_project.privacy.request import refuse_open
from dagster_project.settings import Settings, load
from dagster_project.shop import Shop, load_shop
from dagster_project.stated_shop import state_shop
from dagster_project.warehouse import Warehouse


class Store(dg.ConfigurableResource):  # type: ignore[type-arg]
    """One shop's store. With the in-process executor it is made once a run, so the lease lasts from the run's first step to its last."""

    shop_folder: str
    home: str
    environment: str
    threads: int
    accept: list[str] = Field(default_factory=list)
    accepted_by: str = ""

    _settings: Settings = PrivateAttr()
    _shop: Shop = PrivateAttr()
    _warehouse: Warehouse = PrivateAttr()

    @classmethod
    def of(cls, settings: Settings, accept: Sequence[str] = (), accepted_by: str = "") -> "Store":
        """The store of these settings, but for secrets: what a resource is made from, Dagster shows."""
        return cls(
            shop_folder=str(settings.shop_folder),
            home=str(settings.home),
            environment=settings.environment,
            threads=settings.threads,
            accept=list(accept),
            accepted_by=accepted_by,
        )

    @property
    def settings(self) -> Settings:
        return self._settings

    @property
    def shop(self) -> Shop:
        return self._shop

    @property
    def warehouse(self) -> Warehouse:
        return self._warehouse

    def open(self) -> None:
        """Read the settings and the shop; no lease yet."""
        self._settings = replace(load(shop=self.shop_folder), home=Path(self.home), environment=self.environment, threads=self.threads)
        self._shop = load_shop(self._settings.shop_folder)
        self._warehouse = Warehouse.of(self._settings)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["Store"]:
        """Open the store for a run.

        Raises:
            LeaseHeld: another process holds it.
            RunFailed: somebody is half erased, so nothing may be built or delivered.
        """
        collect_seldom()
        self.open()
        run = context.run.run_id if context.run else "a run"
        with hold(self._settings.store, f"Dagster run {run[:8]}"):
            refuse_open(self._settings)
            self._warehouse.create()
            # Opening and closing the file costs more than most of what a step asks of it: a run does it once.
            with self._warehouse.connect():
                state_shop(self._warehouse, self._shop)
                yield self
