-- One row per as_of and customer: whatever the day, until the customer does something or a product changes its shelf.
{{ config(materialized='kept', meta={'part': 'customer_id', 'windows': [], 'touched_by': {'int_product_shelves': ['product_id']}}) }}
with

tastes as (
    select * from {{ ref('int_tastes_weighed') }}
),

products as (
    select * from {{ ref('int_product_shelves') }}
),

weighed as (
    select
        tastes.as_of,
        tastes.customer_id,
        tastes.weight,
        products.category,
        products.brand,
        products.price_band
    from tastes
    inner join products on tastes.as_of = products.as_of and tastes.product_id = products.product_id
),

{% for taste in ['category', 'brand', 'price_band'] %}
by_{{ taste }} as (
    select
        as_of,
        customer_id,
        {{ taste }},
        sum(weight) as weight,
        sum(sum(weight)) over (partition by as_of, customer_id) as whole,
        row_number() over (partition by as_of, customer_id order by sum(weight) desc, {{ taste }}) as place
    from weighed
    where {{ taste }} is not null
    group by as_of, customer_id, {{ taste }}
),
{% endfor %}

favourites as (
    select
        by_category.as_of,
        by_category.customer_id,
        by_category.category as favourite_category,
        round(cast(by_category.weight as double) / by_category.whole, 6) as favourite_category_share,
        seconds.category as second_category,
        by_brand.brand as favourite_brand,
        round(cast(by_brand.weight as double) / by_brand.whole, 6) as favourite_brand_share,
        by_price_band.price_band as favourite_price_band,
        round(cast(by_price_band.weight as double) / by_price_band.whole, 6) as favourite_price_band_share
    from by_category
    left join by_category as seconds
        on by_category.as_of = seconds.as_of and by_category.customer_id = seconds.customer_id and seconds.place = 2
    left join by_brand
        on by_category.as_of = by_brand.as_of and by_category.customer_id = by_brand.customer_id and by_brand.place = 1
    left join by_price_band
        on by_category.as_of = by_price_band.as_of and by_category.customer_id = by_price_band.customer_id and by_price_band.place = 1
    where by_category.place = 1
)

select * from favourites
