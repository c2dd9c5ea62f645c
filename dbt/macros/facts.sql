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
without a customer for the time before the record was anybody's. A change of links is a new version of the fact.
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
    union all
    select
        facts.* exclude (known_at, superseded_at),
        cast(null as varchar) as customer_id,
        facts.known_at,
        least(facts.superseded_at, firsts.linked_at) as superseded_at
    from {{ relation }} as facts
    inner join (
        select
            source,
            source_customer_id,
            min(valid_from) as linked_at
        from {{ source('identity', 'customer_links') }}
        group by source, source_customer_id
    ) as firsts
        on facts.source = firsts.source and facts.source_customer_id = firsts.source_customer_id
    where
        firsts.linked_at > facts.known_at
        and (facts.superseded_at is null or firsts.linked_at < facts.superseded_at)
)
{%- endmacro %}
