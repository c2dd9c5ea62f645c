-- One row per as_of, source and other source.
{{ config(materialized='view') }}
with

links as (
    select * from {{ valid(source('identity', 'customer_links')) }} as links
),

members as (
    select distinct
        as_of,
        source,
        customer_id
    from links
),

others as (
    select distinct
        as_of,
        source
    from links
)

select
    links.as_of,
    links.source,
    others.source as other_source,
    count(*) as records_count,
    count(members.customer_id) as matched_count
from links
inner join others on links.as_of = others.as_of and links.source <> others.source
left join members
    on links.as_of = members.as_of and links.customer_id = members.customer_id and others.source = members.source
group by links.as_of, links.source, others.source
