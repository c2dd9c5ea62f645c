-- One row per as_of and customer who may be profiled.
with

permitted as (
    select * from {{ ref('int_profiled_customers') }}
),

shop as (
    select zone from {{ source('sources', 'shop') }}
),

customers as (
    select
        versions.as_of,
        versions.customer_id,
        coalesce(versions.timezone, shop.zone) as zone
    from {{ valid(ref('dim_customers')) }} as versions
    inner join permitted on versions.as_of = permitted.as_of and versions.customer_id = permitted.customer_id
    cross join shop
),

-- When people are at it: a mail they opened or clicked, a visit, an order on line.
moments as (
    select
        as_of,
        customer_id,
        occurred_at
    from {{ known(ref('fct_email_events')) }} as email_events
    where event in ('opened', 'clicked') and not is_machine
    union all
    select
        as_of,
        customer_id,
        min(occurred_at) as occurred_at
    from {{ known(ref('fct_web_events')) }} as web_events
    group by as_of, customer_id, session_id
    union all
    select
        as_of,
        customer_id,
        occurred_at
    from {{ known(ref('fct_orders')) }} as orders
    where coalesce(channel, 'web') <> 'store'
),

counted as (
    select
        customers.as_of,
        customers.customer_id,
        cast(extract(hour from {{ utc_to_local('moments.occurred_at', 'customers.zone') }}) as integer) as hour,
        count(*) as actions
    from customers
    inner join moments on customers.as_of = moments.as_of and customers.customer_id = moments.customer_id
    group by customers.as_of, customers.customer_id, cast(extract(hour from {{ utc_to_local('moments.occurred_at', 'customers.zone') }}) as integer)
),

-- An action says something of the hours beside its own, too: half as much.
spread as (
    select
        as_of,
        customer_id,
        hour,
        2 * actions as weight
    from counted
    union all
    select
        as_of,
        customer_id,
        (hour + 1) % 24 as hour,
        actions as weight
    from counted
    union all
    select
        as_of,
        customer_id,
        (hour + 23) % 24 as hour,
        actions as weight
    from counted
),

everybody as (
    select
        as_of,
        hour,
        sum(weight) as weight,
        sum(sum(weight)) over (partition by as_of) as whole,
        row_number() over (partition by as_of order by sum(weight) desc, hour) as place
    from spread
    group by as_of, hour
),

-- Beside one's own hours the shop's best: of the others none counts for more.
own as (
    select
        as_of,
        customer_id,
        hour,
        sum(weight) as weight
    from (
        select * from spread
        union all
        select
            customers.as_of,
            customers.customer_id,
            everybody.hour,
            0 as weight
        from customers
        inner join everybody on customers.as_of = everybody.as_of and everybody.place = 1
    ) as weighed
    group by as_of, customer_id, hour
),

-- Of few actions little is known: six of the whole shop's (24 in weights) count beside one's own. Whole numbers, so that ties are ties.
ranked as (
    select
        own.as_of,
        own.customer_id,
        own.hour,
        row_number() over (
            partition by own.as_of, own.customer_id
            order by own.weight * everybody.whole + 24 * everybody.weight desc, own.hour
        ) as place
    from own
    inner join everybody on own.as_of = everybody.as_of and own.hour = everybody.hour
)

select
    customers.as_of,
    customers.customer_id,
    ranked.hour as best_send_hour
from customers
left join ranked on customers.as_of = ranked.as_of and customers.customer_id = ranked.customer_id and ranked.place = 1
