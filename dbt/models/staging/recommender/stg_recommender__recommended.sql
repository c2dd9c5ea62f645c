-- One row per customer, product and making.
with

scores as (
    select
        *,
        {{ utc('made_at') }} as occurred_at
    from {{ source('sources', 'recommender__scores') }}
)

select
    'recommender' as source,
    -- source:id names a record, anything else a customer.
    trim(customer) as customer,
    trim(product_id) as product_id,
    cast(score as double) as score,
    occurred_at,
    {{ known_at('occurred_at') }} as known_at
from scores
