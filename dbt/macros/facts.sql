{#
Every staging model of an entity (`vars: orders: [shopify, till]` → stg_shopify__orders, stg_till__orders), one under the other; cut by the parts
of a model that has them (macros/kept_parts.sql).
#}
{% macro all_sources(entity, part=none) -%}
(
    {% for system in var(entity) %}
    {%- set staged = ref('stg_' ~ system ~ '__' ~ entity) %}
    select * from {{ staged }} {{ part_mark(staged, part) }}
    {% if not loop.last %}union all by name{% endif %}
    {% endfor %}
)
{%- endmacro %}

{# When a row was known: its batch's extraction; rows of history were known when they happened. #}
{% macro known_at(occurred_at) -%}
case when _is_history then least({{ occurred_at }}, _known_at) else _known_at end
{%- endmacro %}

{#
When something holds that an extract of a moment says and puts no date to: since just before the day closed that the extract is of, so that this day
counts it, and no day before.
#}
{% macro undated(extracted_at, close_after_hours) -%}
{{ dbt.dateadd('second', '-1 - 3600 * ' ~ close_after_hours, extracted_at) }}
{%- endmacro %}

{#
When an answer without a date was given. A yes that history found is older than all that is dated, so that no refusal which it knows of is taken
back by it; a no is one as of its extract, and goes before.
#}
{% macro answered_undated(answer, said_since, said_in_history) -%}
case when {{ says_yes(answer) }} and {{ said_in_history }} then timestamp '1970-01-01 00:00:00' else {{ said_since }} end
{%- endmacro %}

{#
The versions of each key that ever counted, with `superseded_at`: the moment from which a newer one was known (half-open). The source's own
order (`version_at`, its updated_at) decides which version is newer, so that a late or replayed old one never replaces a newer one. Most keys have
one version only, and those need no sorting.
#}
{% macro versions(relation, key) -%}
{%- set owned, same_key = [], [] -%}
{%- for column in key.split(', ') -%}
    {%- do owned.append('stated.' ~ column) -%}
    {%- do same_key.append('repeated.' ~ column ~ ' = stated.' ~ column) -%}
{%- endfor -%}
{%- set repeated = '(select ' ~ key ~ ' from ' ~ relation ~ ' group by ' ~ key ~ ' having count(*) > 1)' -%}
(
    select
        stated.*,
        cast(null as timestamp) as superseded_at
    from {{ relation }} as stated
    left join {{ repeated }} as repeated on {{ same_key | join(' and ') }}
    where repeated.{{ key.split(', ')[0] }} is null
    union all
    select *
    from (
        select
            stated.*,
            min(stated.known_at) over (
                partition by {{ owned | join(', ') }}
                order by stated.version_at, stated.known_at, stated.version_number
                rows between 1 following and unbounded following
            ) as superseded_at
        from {{ relation }} as stated
        inner join {{ repeated }} as repeated on {{ same_key | join(' and ') }}
    ) as chained
    where superseded_at is null or superseded_at > known_at
)
{%- endmacro %}

{#
The versions of a relation outside the spans (known_at to superseded_at, none of a key overlapping) in which another relation has their key: cut off,
cut in two, or gone.
#}
{% macro outside(relation, spans, key) -%}
(
    select *
    from {{ relation }}
    where {{ key }} not in (select {{ key }} from {{ spans }})
    union all by name
    select
        facts.* exclude (known_at, superseded_at),
        greatest(facts.known_at, free.since) as known_at,
        nullif(least(coalesce(facts.superseded_at, {{ forever() }}), free.until), {{ forever() }}) as superseded_at
    from {{ relation }} as facts
    inner join (
        select
            {{ key }},
            {{ ever() }} as since,
            min(known_at) as until
        from {{ spans }}
        group by {{ key }}
        union all
        select
            {{ key }},
            superseded_at as since,
            lead(known_at, 1, {{ forever() }}) over (partition by {{ key }} order by known_at) as until
        from {{ spans }}
        qualify superseded_at is not null
    ) as free
        on
            facts.{{ key }} = free.{{ key }}
            and free.since < free.until
            and facts.known_at < free.until
            and coalesce(facts.superseded_at, {{ forever() }}) > free.since
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
        owners.customer_id,
        greatest(facts.known_at, coalesce(owners.since, facts.known_at)) as known_at,
        nullif(least(coalesce(facts.superseded_at, {{ forever() }}), coalesce(owners.until, {{ forever() }})), {{ forever() }}) as superseded_at
    from {{ relation }} as facts
    -- Plain comparisons only: with an "or" in it the join would compare every fact with every owner.
    left join {{ looked_up(ref('int_record_owners'), 'source_customer_id', relation) }} as owners
        on
            facts.source = owners.source
            and facts.source_customer_id = owners.source_customer_id
            and facts.known_at < owners.until
            and coalesce(facts.superseded_at, {{ forever() }}) > owners.since
)
{%- endmacro %}

{# Ends of time for half-open spans that must be compared without nulls. #}
{% macro forever() %}cast('9999-12-31' as timestamp){% endmacro %}
{% macro ever() %}cast('0001-01-01' as timestamp){% endmacro %}
