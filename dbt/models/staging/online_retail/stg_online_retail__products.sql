-- One row per article and change of its description or price.
with

lines as (
    select
        *,
        case when is_history then least(occurred_at, pulled_at) else pulled_at end as known_at,
        -- Lines without a price carry notes on stock ("damaged", "found"), not descriptions.
        kind = 'sale' and unit_price > 0 as is_priced,
        concat_ws('|', cast(occurred_at as varchar), invoice_no, lpad(cast(line_number as varchar), 6, '0')) as place
    from {{ ref('stg_online_retail__lines') }}
),

-- What a day of a pull says last; it is known when its last line is.
days as (
    select
        product_id,
        pulled_at,
        cast(occurred_at as date) as day,
        min(occurred_at) as first_at,
        max(occurred_at) as version_at,
        max(known_at) as known_at,
        max_by(description, place) filter (where is_priced and description is not null) as title,
        max_by(unit_price, place) filter (where is_priced) as price
    from lines
    group by product_id, pulled_at, cast(occurred_at as date)
),

in_order as (
    select
        *,
        max(version_at) over (
            partition by product_id
            order by known_at, version_at, pulled_at
            rows between unbounded preceding and 1 preceding
        ) as newest_before
    from days
),

-- A day that comes late says nothing newer.
carried as (
    select
        product_id,
        known_at,
        version_at,
        min(first_at) over so_far as first_at,
        last_value(title ignore nulls) over so_far as title,
        last_value(price ignore nulls) over so_far as price
    from in_order
    where newest_before is null or version_at >= newest_before
    window
        so_far as (
            partition by product_id
            order by known_at, version_at, pulled_at
            rows between unbounded preceding and current row
        )
),

compared as (
    select
        *,
        row_number() over before as version_number,
        lag(title) over before as title_before,
        lag(price) over before as price_before
    from carried
    window before as (partition by product_id order by known_at, version_at)
)

select
    'online_retail' as source,
    product_id,
    first_at as occurred_at,
    known_at,
    version_at,
    version_number,
    product_id as sku,
    title,
    cast(null as varchar) as brand,
    cast(null as varchar) as category,
    cast(null as varchar) as tags,
    lower(product_id) as handle,
    case
        -- Carriage, fees, samples, corrections by hand: on invoices, not on shelves.
        when product_id in ('AMAZONFEE', 'B', 'BANK CHARGES', 'C2', 'CRUK', 'D', 'DOT', 'M', 'POST', 'S') then 'service'
        when price is null then 'unpriced'
        else 'active'
    end as status,
    cast(null as varchar) as image_url,
    price,
    -- Unknown, which is not out of stock.
    cast(null as integer) as stock
from compared
where version_number = 1 or title is distinct from title_before or price is distinct from price_before
