-- One row per customer, channel and change that says whether the shop has deleted them (no reason once they are there again).
with

shop as (
    select * from {{ source('sources', 'shop') }}
),

customers as (
    select
        customers.*,
        {{ is_gone('customers.deleted_at') }} as is_gone,
        -- A mark that is no moment says that it was before the extract.
        case
            when regexp_matches(customers.deleted_at, '^[0-9]{4}-[0-9]{2}-[0-9]{2}.[0-9]{2}:') and {{ is_gone('customers.deleted_at') }}
                then {{ stated_moment('customers.deleted_at', 'shop.zone') }}
            else customers._known_at
        end as occurred_at
    from {{ source('sources', 'sales__customers') }} as customers
    cross join shop
),

-- Who was never deleted needs no word of it.
marked as (
    select * from customers
    where customer_id in (select customer_id from customers where is_gone)
),

channels as (
    select unnest(['email', 'sms', 'push', 'phone']) as channel
)

select
    'sales' as source,
    marked.customer_id as source_customer_id,
    concat_ws('|', 'sales', marked.customer_id, channels.channel) as suppression_id,
    channels.channel,
    case when marked.is_gone then 'customer deleted' end as reason,
    marked.occurred_at,
    {{ known_at('marked.occurred_at') }} as known_at,
    marked._known_at as version_at,
    marked._row_number as version_number
from marked
cross join channels
