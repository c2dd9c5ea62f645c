"""What the shop sells: 300 products and their variants, drawn from the shelves."""

from dataclasses import dataclass

import numpy as np

from simulator.clock import DAY, Clock, stream
from simulator.names import fold
from simulator.shelves import CATEGORIES


@dataclass(frozen=True)
class Catalogue:
    """One entry per product, and per variant where the name says so (`variant_*`); money in cents.

    `old_price` held until `repriced_at`. `goes_with` is the product planted as bought together, -1 where none.
    """

    title: list[str]
    handle: list[str]
    category: np.ndarray
    brand: np.ndarray
    band: np.ndarray
    vegan: np.ndarray
    popularity: np.ndarray
    launched_at: np.ndarray
    repriced_at: np.ndarray
    sold_out_at: np.ndarray
    goes_with: np.ndarray
    brands: tuple[str, ...]
    variant_product: np.ndarray
    variant_option: list[str]
    variant_sku: list[str]
    variant_price: np.ndarray
    variant_old_price: np.ndarray
    variant_cost: np.ndarray
    first_variant: np.ndarray
    variant_count: np.ndarray

    @property
    def products(self) -> int:
        return len(self.title)

    def product_id(self, product: np.ndarray | int) -> np.ndarray:
        """The shop's id of a product, from its number."""
        return 8_100_000_000_000 + 32_768 * (np.asarray(product) + 1)

    def variant_id(self, variant: np.ndarray | int) -> np.ndarray:
        """The shop's id of a variant, from its number."""
        return 44_200_000_000_000 + 32_768 * (np.asarray(variant) + 1)

    def on_sale(self, products: np.ndarray, moments: np.ndarray) -> np.ndarray:
        """Whether each product is launched and not sold out for good at each moment."""
        return (self.launched_at[products] <= moments) & (moments < self.sold_out_at[products])

    def price_at(self, variants: np.ndarray, moments: np.ndarray) -> np.ndarray:
        """The price in cents of each variant at each moment."""
        changed = moments >= self.repriced_at[self.variant_product[variants]]
        return np.where(changed, self.variant_price[variants], self.variant_old_price[variants])


def build_catalogue(clock: Clock, seed: int, products: int = 300) -> Catalogue:
    """Draws the catalogue. The last dozen products are new arrivals of the last five weeks, four of them of the daily days."""
    rng = stream(seed, "catalogue")
    category = np.sort(np.arange(products) % len(CATEGORIES))
    brands = tuple(dict.fromkeys(brand for entry in CATEGORIES for brand in entry.brands))
    titles: list[str] = []
    seen: dict[str, int] = {}
    brand = np.empty(products, dtype=np.int64)
    for number in range(products):
        shelf = CATEGORIES[category[number]]
        name = shelf.brands[rng.integers(len(shelf.brands))]
        brand[number] = brands.index(name)
        title = f"{name} {shelf.things[rng.integers(len(shelf.things))]} {shelf.kinds[rng.integers(len(shelf.kinds))]}"
        seen[title] = seen.get(title, 0) + 1
        titles.append(title if seen[title] == 1 else f"{title} No. {seen[title]}")
    band = rng.choice(3, products, p=(0.3, 0.5, 0.2))
    vegan = rng.random(products) < np.array([CATEGORIES[c].vegan_share for c in category])
    popularity = rng.gamma(0.8, 1.0, products) + 0.05

    launched = np.full(products, clock.start - 30 * DAY)
    order = rng.permutation(products)
    later, new = order[: products // 8], order[products // 8 : products // 8 + 12]
    launched[later] = rng.integers(clock.start, clock.opening - 28 * DAY, len(later))
    launched[new[:8]] = rng.integers(clock.opening - 28 * DAY, clock.opening, 8)
    launched[new[8:]] = rng.integers(clock.opening, clock.end, len(new) - 8)
    popularity[new] = 1.5
    repriced = np.full(products, clock.start - DAY)
    moved = order[-products // 10 :]
    repriced[moved] = rng.integers(max(clock.start, clock.opening - 60 * DAY), clock.end, len(moved))
    sold_out = np.full(products, clock.end + 400 * DAY)
    sold_out[order[60:66]] = clock.opening - rng.integers(1, 20, 6) * DAY

    goes_with = np.full(products, -1)
    kitchen = np.flatnonzero(category == 5)
    coffee = np.flatnonzero(category == 0)
    goes_with[kitchen] = coffee[rng.integers(len(coffee), size=len(kitchen))]
    stationery = np.flatnonzero(category == 9)
    goes_with[stationery[::2]] = np.roll(stationery, 1)[::2]

    owner, option, sku, price, cost = [], [], [], [], []
    for number in range(products):
        shelf = CATEGORIES[category[number]]
        factor = (0.65, 1.0, 1.9)[band[number]] * float(np.exp(rng.normal(0, 0.18)))
        for place, label in enumerate(shelf.options):
            size_factor = 1.0 if shelf.option_name == "Size" else 1.0 + 0.75 * place
            cents = max(round(shelf.base_price * factor * size_factor), 2) * 100 - 10
            owner.append(number)
            option.append(label)
            sku.append(f"{shelf.name[:3].upper()}-{number + 1:04d}-{place + 1}")
            price.append(cents)
            cost.append(int(cents * (0.38 + 0.2 * rng.random())))
    variant_product = np.array(owner)
    variant_price = np.array(price)
    change = np.where(rng.random(products) < 0.6, 1.12, 0.9)
    old_price = np.where(
        repriced[variant_product] > clock.start,
        (variant_price * change[variant_product] / 100).round().astype(np.int64) * 100 - 10,
        variant_price,
    )
    counts = np.bincount(variant_product, minlength=products)
    return Catalogue(
        title=titles,
        handle=[_handle(title) for title in titles],
        category=category,
        brand=brand,
        band=band,
        vegan=vegan,
        popularity=popularity,
        launched_at=launched,
        repriced_at=repriced,
        sold_out_at=sold_out,
        goes_with=goes_with,
        brands=brands,
        variant_product=variant_product,
        variant_option=option,
        variant_sku=sku,
        variant_price=variant_price,
        variant_old_price=old_price,
        variant_cost=np.array(cost),
        first_variant=np.concatenate(([0], np.cumsum(counts)[:-1])),
        variant_count=counts,
    )


def _handle(title: str) -> str:
    return "-".join("".join(letter if letter.isalnum() else " " for letter in fold(title).lower()).split())
