"""What the shop says of itself, in the store, where the models read it: `sources.shop`, one row, and `sources.fx_rates`, one a currency."""

import pyarrow as pa

from dagster_project.shop import Shop
from dagster_project.warehouse import Warehouse


def state_shop(warehouse: Warehouse, shop: Shop) -> None:
    warehouse.replace(
        "sources.shop",
        pa.table(
            {
                "name": [shop.name],
                "zone": [shop.zone],
                "currency": [shop.currency],
                "country": [shop.country],
                "language": [shop.language],
                "global_holdout": pa.array([round(shop.holdout * 10_000)], pa.int64()),
                "cost_per_mail": [shop.cost_per_mail],
                "cap_mails": pa.array([shop.cap.mails], pa.int64()),
                "cap_days": pa.array([shop.cap.days], pa.int64()),
                "send_hour": pa.array([shop.send_hour], pa.int64()),
                "quiet_from": pa.array([shop.quiet_hours[0]], pa.int64()),
                "quiet_until": pa.array([shop.quiet_hours[1]], pa.int64()),
                "close_after_hours": pa.array([shop.close_after_hours], pa.int64()),
                "address_held_by": [shop.address_held_by],
                "soft_opt_in_notice": pa.array([shop.soft_opt_in.notice if shop.soft_opt_in else None], pa.string()),
                "soft_opt_in_purposes": pa.array([shop.soft_opt_in.purposes if shop.soft_opt_in else ()], pa.list_(pa.string())),
                "systems": pa.array(
                    [sorted(name for name, source in shop.sources.items() if source.states_consent)], pa.list_(pa.string())
                ),
            }
        ),
    )
    rates = {shop.currency: 1.0, **shop.fx_rates}
    warehouse.replace("sources.fx_rates", pa.table({"currency": list(rates), "rate": list(rates.values())}))
