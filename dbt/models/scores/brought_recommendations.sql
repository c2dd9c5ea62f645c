-- One row per as_of, customer and product of the newest scores that the shop made of them elsewhere.
with

stated as (
    select
        *,
        cast(null as timestamp) as superseded_at
    from {{ all_sources('recommended') }}
),

made as (
    select * from {{ known('stated') }} as stated
),

-- Who is meant: the customer of a record, or a customer.
called as (
    select
        as_of,
        customer_id,
        concat(source, ':', source_customer_id) as customer
    from {{ valid(source('identity', 'customer_links')) }} as links
    union
    select
        as_of,
        customer_id,
        customer_id as customer
    from {{ valid(source('identity', 'customer_links')) }} as links
),

owned as (
    select
        made.as_of,
        called.customer_id,
        made.product_id,
        made.score,
        made.occurred_at,
        max(made.occurred_at) over (partition by made.as_of, called.customer_id) as newest_at
    from made
    inner join called on made.as_of = called.as_of and made.customer = called.customer
)

select
    as_of,
    customer_id,
    product_id,
    max(score) as score
from owned
where occurred_at = newest_at
group by as_of, customer_id, product_id
