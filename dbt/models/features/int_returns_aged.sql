-- One row per as_of and return.
{{ config(materialized='ephemeral', meta={'part': 'customer_id'}) }}

with

returns as (
    select
        as_of,
        customer_id,
        return_id,
        occurred_at,
        net_amount
    from {{ known(ref('fct_returns')) }} as returns
    where customer_id is not null
),

aged as (
    select
        as_of,
        customer_id,
        return_id,
        {{ days_between('occurred_at', 'as_of') }} as age_days,
        cast(net_amount * 100 as bigint) as net_cents
    from returns
)

select * from aged
