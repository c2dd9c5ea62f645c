-- One row per return version.
{%- set order_models = [] %}
{%- for system in var('orders') if system in var('returns') %}{% do order_models.append('stg_' ~ system ~ '__orders') %}{% endfor %}
{{ config(materialized='kept', meta={'part': 'return_id', 'touched_by': dict.fromkeys(order_models, ['order_id'])}) }}
with

stated as (
    select
        *,
        coalesce(kind = 'cancellation', false) as is_cancellation
    from {{ all_sources('returns') }}
),

returns as (
    select * from {{ versions('stated', 'return_id, is_cancellation') }} as versions
),

order_versions as (
    {% for model in order_models %}
    select source, order_id, version_at, version_number, known_at from {{ ref(model) }}
    where order_id in (select order_id from stated where kind = 'cancellation')
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

orders as (
    select * from {{ versions('order_versions', 'order_id') }} as versions
),

-- Each version of an order says anew that it is cancelled: one that does not takes the cancellation back.
restated as (
    select
        returns.return_id,
        returns.is_cancellation,
        returns.version_at,
        returns.known_at,
        min(orders.known_at) as restated_at
    from returns
    inner join orders
        on
            returns.source = orders.source
            and returns.order_id = orders.order_id
            and (
                returns.version_at < orders.version_at
                or (returns.version_at = orders.version_at and returns.known_at < orders.known_at)
            )
    where returns.is_cancellation
    group by returns.return_id, returns.is_cancellation, returns.version_at, returns.known_at
),

-- A version without a kind says that nothing is given back any more.
standing as (
    select
        returns.* exclude (superseded_at),
        least(returns.superseded_at, restated.restated_at) as superseded_at
    from returns
    left join restated
        on
            returns.return_id = restated.return_id
            and returns.version_at = restated.version_at
            and returns.known_at = restated.known_at
            and returns.is_cancellation = restated.is_cancellation
    where
        returns.kind is not null
        and (restated.restated_at is null or restated.restated_at > returns.known_at)
),

refunds as (
    select * from standing where not is_cancellation
),

cancellations as (
    select * from standing where is_cancellation
),

-- What is refunded waits while all of it is cancelled, and is refunded again when that is taken back.
counted as (
    select * from cancellations
    union all by name
    select * from {{ outside('refunds', 'cancellations', 'return_id') }} as refunded
),

linked as (
    select * from {{ linked('counted') }} as facts
)

select
    return_id,
    order_id,
    source,
    customer_id,
    occurred_at,
    known_at,
    superseded_at,
    product_id,
    quantity,
    cast(net_amount as decimal(18, 2)) as net_amount,
    kind
from linked
