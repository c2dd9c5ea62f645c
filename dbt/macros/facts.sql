{# Every staging model of an entity (`vars: orders: [shopify, till]` → stg_shopify__orders, stg_till__orders), one under the other. #}
{% macro all_sources(entity) -%}
(
    {% for system in var(entity) %}
    select * from {{ ref('stg_' ~ system ~ '__' ~ entity) }}
    {% if not loop.last %}union all by name{% endif %}
    {% endfor %}
)
{%- endmacro %}

{# When a row was known: its batch's extraction; rows of history were known when they happened. #}
{% macro known_at(occurred_at) -%}
case when _is_history then least({{ occurred_at }}, _known_at) else _known_at end
{%- endmacro %}

{#
The versions of each key that ever counted, with `superseded_at`: the moment from which a newer one was known (half-open). The source's own
order (`version_at`, its updated_at) decides which version is newer, so that a late or replayed old one never replaces a newer one.
#}
{% macro versions(relation, key) -%}
(
    select *
    from (
        select
            stated.*,
            min(known_at) over (
                partition by {{ key }}
                order by version_at, known_at, version_number
                rows between 1 following and unbounded following
            ) as superseded_at
        from {{ relation }} as stated
    ) as chained
    where superseded_at is null or superseded_at > known_at
)
{%- endmacro %}

{#
The fact versions of a relation with the customer they belonged to: a version for each stay of its source record with a customer, and one
without a customer for each time in which the record was nobody's. A change of links is a new version of the fact.
#}
{% macro linked(relation) -%}
(
    select
        facts.* exclude (known_at, superseded_at),
        links.customer_id,
        greatest(facts.known_at, coalesce(links.valid_from, facts.known_at)) as known_at,
        least(facts.superseded_at, links.valid_to) as superseded_at
    from {{ relation }} as facts
    left join {{ source('identity', 'customer_links') }} as links
        on
            facts.source = links.source
            and facts.source_customer_id = links.source_customer_id
            and (links.valid_to is null or links.valid_to > facts.known_at)
            and (facts.superseded_at is null or links.valid_from < facts.superseded_at)
    -- A record that has stays, but none at the fact's time: the gaps below have it.
    where
        links.customer_id is not null
        or not exists (
            select 1
            from {{ source('identity', 'customer_links') }} as stays
            where facts.source = stays.source and facts.source_customer_id = stays.source_customer_id
        )
    union all
    select
        facts.* exclude (known_at, superseded_at),
        cast(null as varchar) as customer_id,
        greatest(facts.known_at, gaps.gap_from) as known_at,
        least(facts.superseded_at, gaps.gap_to) as superseded_at
    from {{ relation }} as facts
    inner join (
        select
            source,
            source_customer_id,
            cast(null as timestamp) as gap_from,
            min(valid_from) as gap_to
        from {{ source('identity', 'customer_links') }}
        group by source, source_customer_id
        union all
        select *
        from (
            select
                source,
                source_customer_id,
                valid_to as gap_from,
                lead(valid_from) over (partition by source, source_customer_id order by valid_from) as gap_to
            from {{ source('identity', 'customer_links') }}
        ) as ended
        where gap_from is not null and (gap_to is null or gap_to > gap_from)
    ) as gaps
        on facts.source = gaps.source and facts.source_customer_id = gaps.source_customer_id
    where
        (gaps.gap_to is null or gaps.gap_to > facts.known_at)
        and (facts.superseded_at is null or gaps.gap_from is null or gaps.gap_from < facts.superseded_at)
)
{%- endmacro %}
