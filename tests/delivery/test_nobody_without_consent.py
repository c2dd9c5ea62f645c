"""Nobody without consent is in any export of ten days, whatever the feed or format."""

import pytest

from dagster_project.settings import Settings
from tests.delivery.test_consent_gate import addresses

pytestmark = [pytest.mark.whole, pytest.mark.xdist_group("ten days")]

PERMITTED = """
select lower(email) from profile.dim_customers join profile.current_permissions using (customer_id)
where channel = 'email' and purpose = 'marketing' and is_permitted
"""


def test_nobody_without_consent_is_in_any_export(backfilled: Settings, rows) -> None:
    permitted = {address for (address,) in rows(backfilled, PERMITTED)}
    exported = addresses(backfilled.store)
    assert len(exported) > 100
    assert exported <= permitted
