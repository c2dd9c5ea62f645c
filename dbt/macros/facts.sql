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
        spans.customer_id,
        greatest(facts.known_at, spans.valid_from) as known_at,
        least(facts.superseded_at, spans.valid_to) as superseded_at
    from {{ relation }} as facts
    left join {{ ref('int_record_owners') }} as spans
        on
            facts.source = spans.source
            and facts.source_customer_id = spans.source_customer_id
            and (spans.valid_to is null or spans.valid_to > facts.known_at)
            and (spans.valid_from is null or facts.superseded_at is null or spans.valid_from < facts.superseded_at)
)
{%- endmacro %}
