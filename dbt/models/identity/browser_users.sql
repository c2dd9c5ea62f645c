-- One row per browser and account signed in, or record that bought or clicked a mail, in it.
{{ config(materialized='view') }}
select
    browser_id,
    login_id,
    record_id,
    rule,
    known_at
from {{ ref('int_browser_owners') }}
union all
select
    browser_id,
    cast(null as varchar) as login_id,
    record_id,
    'clicked a mail there' as rule,
    known_at
from {{ ref('int_browser_clicks') }}
