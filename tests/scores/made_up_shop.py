"""A made-up shop whose customers buy at their own pace and drop out, and made-up outcomes that follow features."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from dagster_project.scores.score_models import ScoreModel
from ml.planning import Plan

START = datetime(2023, 1, 1)
AS_OF = START + timedelta(days=280)
HORIZON = 60


@dataclass(frozen=True)
class Shop:
    planned: Plan
    snapshots: pa.Table
    labels: pa.Table
    today: pa.Table
    churned: np.ndarray
    file: Path


class NoRegistry:
    """Stands for MLflow, which these tests ask nothing of."""

    def record(self, *_: object) -> None: ...


def made_up_transactions(customers: int, seed: int = 5) -> pa.Table:
    """Purchases of 400 days: each customer with a steady pace, a level of spend, a first day and a day of dropping out."""
    generator = np.random.default_rng(seed)
    rows: list[tuple[str, datetime, float]] = []
    for number in range(customers):
        pace, level, life = generator.gamma(2.0, 18.0) + 4.0, generator.normal(3.0, 0.6), generator.exponential(260.0)
        first = float(generator.uniform(0, 240))
        day = first
        while day < min(400.0, first + life):
            rows.append((f"c{number:05d}", START + timedelta(days=day), round(float(np.exp(level + generator.normal(0, 0.5))), 2)))
            day += generator.gamma(8.0, pace / 8.0)
    names = ("customer", "at", "amount")
    return pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))


def made_up_outcomes(model: ScoreModel, people: int = 900, days: int = 3) -> tuple[list[pa.Table], list[np.ndarray]]:
    """Days of features with numbers, gaps, text and (for a model of categories) several rows a person, and an outcome that follows them."""
    generator = np.random.default_rng(11)
    categories = ["tea", "coffee", "mugs"] if "category" in model.key else [None]
    keen, device = generator.random(people), generator.choice(["mobile", "desktop"], people)
    snapshots, happened = [], []
    for day in range(days):
        rows = [(person, category) for person in range(people) for category in categories]
        who = np.array([person for person, _ in rows])
        visits = generator.poisson(4 * keen[who]).astype(np.float64)
        columns: dict[str, object] = {
            "as_of": [AS_OF + timedelta(days=7 * day)] * len(rows),
            "customer_id": [f"c{person:04d}" for person in who],
            "visits_count": pa.array(visits, mask=visits == 0),
            "open_rate": keen[who].round(3),
            "device": device[who].tolist(),
        }
        if "category" in model.key:
            columns["category"] = [category for _, category in rows]
        snapshots.append(pa.table(columns))
        happened.append((generator.random(len(rows)) < 0.6 * keen[who] ** 2 + 0.2 * (device[who] == "mobile")).astype(np.float64))
    return snapshots, happened
