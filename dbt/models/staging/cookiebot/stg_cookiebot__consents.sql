-- One row per answer of a browser to a purpose of the cookie banner.
{{ config(materialized='kept', meta={'part': '_batch_id'}) }}
with

answers as (
    select
        *,
        {{ utc('consent_date') }} as occurred_at
    from {{ part_of(source('sources', 'cookiebot__consents')) }}
),

stated as (
    {% for purpose in ['preferences', 'statistics', 'marketing'] %}
    select
        *,
        '{{ purpose }}' as purpose,
        {{ purpose }} as answer
    from answers
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select
    'cookiebot' as source,
    user_pseudo_id as source_customer_id,
    concat_ws('|', 'cookiebot', "key", purpose) as consent_id,
    'web' as channel,
    purpose,
    case when lower(answer) in ('true', 'yes', '1') then 'granted' else 'withdrawn' end as state,
    occurred_at,
    {{ known_at('occurred_at') }} as known_at,
    occurred_at as version_at,
    _row_number as version_number,
    _batch_id,
    concat_ws(' ', 'Cookiebot', "key") as evidence
from stated
where answer is not null
