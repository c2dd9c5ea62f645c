-- One row per as_of and customer who had not bought by a training day, with whether a first order followed within 30 days.
with

prospects as (
    select
        as_of,
        customer_id
    from {{ ref('customer_features') }}
    where orders_count = 0
),

followed as (
    select distinct
        as_of,
        customer_id
    from {{ came_true(ref('fct_orders'), [30]) }} as orders
    where customer_id is not null
)

select
    passed.as_of,
    prospects.customer_id,
    passed.label_until,
    followed.customer_id is not null as has_ordered
from {{ horizons_passed([30]) }} as passed
inner join prospects on passed.as_of = prospects.as_of
left join followed on prospects.as_of = followed.as_of and prospects.customer_id = followed.customer_id
