-- One row per browser that answered the cookie banner: a person only where the browser is somebody's.
{{ config(materialized='kept', meta={'part': 'source_customer_id'}) }}
with

answers as (
    select
        *,
        {{ utc('consent_date') }} as occurred_at
    from {{ part_of(source('sources', 'cookiebot__consents'), 'user_pseudo_id') }}
)

select
    'cookiebot' as source,
    user_pseudo_id as source_customer_id,
    min(occurred_at) as created_at,
    min({{ known_at('occurred_at') }}) as known_at,
    min(occurred_at) as version_at,
    1 as version_number,
    user_pseudo_id as browser_id,
    false as is_person
from answers
group by user_pseudo_id
