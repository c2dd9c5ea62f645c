-- One row per browser, and one per account that was signed in somewhere: persons only where another system knows them.
{{ config(materialized='kept', meta={'part': 'source_customer_id'}) }}
with

browsers as (
    select * from {{ part_of(ref('stg_ga4__web_events'), 'browser_id') }}
),

accounts as (
    select * from {{ part_of(ref('stg_ga4__web_events'), "'user:' || login_id") }} where login_id is not null
)

select
    'ga4' as source,
    browser_id as source_customer_id,
    min(occurred_at) as created_at,
    min(known_at) as known_at,
    min(occurred_at) as version_at,
    1 as version_number,
    browser_id,
    cast(null as varchar) as login_id,
    false as is_person
from browsers
group by browser_id
union all by name
select
    'ga4' as source,
    'user:' || login_id as source_customer_id,
    min(occurred_at) as created_at,
    min(known_at) as known_at,
    min(occurred_at) as version_at,
    1 as version_number,
    cast(null as varchar) as browser_id,
    login_id,
    false as is_person
from accounts
group by login_id
