"""A made-up shop whose tastes, pairs and repeats are known, to recommend from."""

from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa

from ml.recommendations import Request, Rules, Settings

AS_OF = datetime(2025, 6, 1)
CATEGORIES = ("coffee", "tea", "cakes", "pots", "books")


def planted_shop(customers: int = 240, days: int = 150) -> tuple[pa.Table, pa.Table]:
    """Customers who love one of five categories; coffee is bought again every 20 days, c-0 and c-1 always together."""
    generator = np.random.default_rng(7)
    rows: list[tuple[str, str, datetime, str]] = []
    for number in range(customers):
        customer, taste = f"p{number:03d}", number % 5
        start = AS_OF - timedelta(days=float(generator.uniform(60, days)))
        while start < AS_OF:
            group = taste if generator.random() < 0.85 else int(generator.integers(0, 5))
            order = {int(generator.integers(0, 12)) for _ in range(2)}
            for item in sorted(order | ({0, 1} if order & {0, 1} else set())):
                rows.append((customer, f"{CATEGORIES[group]}-{item:02d}", start, "purchase"))
            viewed = int(generator.integers(0, 12))
            rows.append((customer, f"{CATEGORIES[taste]}-{viewed:02d}", start - timedelta(hours=1), "view"))
            start += timedelta(days=float(generator.uniform(12, 28)))
    interactions = pa.table(
        {
            "customer_id": [row[0] for row in rows],
            "product_id": [row[1] for row in rows],
            "at": pa.array([row[2] for row in rows], pa.timestamp("us")),
            "kind": [row[3] for row in rows],
            "quantity": [1] * len(rows),
        }
    )
    numbers = [(category, item) for category in CATEGORIES for item in range(12)]
    products = pa.table(
        {
            "product_id": [f"{category}-{item:02d}" for category, item in numbers] + ["coffee-new"],
            "title": [f"{category} number {'abcdefghijkl'[item]}{'abcdefghijkl'[item]}" for category, item in numbers]
            + ["coffee freshly roasted"],
            "category": [category for category, _ in numbers] + ["coffee"],
            "in_stock": [item != 3 for _, item in numbers] + [True],
            "tags": [["vegan"] if item % 2 else ["milk"] for _, item in numbers] + [["vegan"]],
            "created_at": pa.array([AS_OF - timedelta(days=400)] * len(numbers) + [AS_OF - timedelta(days=3)], pa.timestamp("us")),
        }
    )
    return interactions, products


REQUEST = Request(settings=Settings(iterations=30, seeds=(0,)), rules=Rules(just_bought_days=10))
