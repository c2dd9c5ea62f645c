{#
What came true after a training day, for labels: the one place where a model may look past as_of. A label is closed: it holds what happened in
[as_of, label_until) and was known as soon after label_until as as_of's own facts were after as_of. It is therefore the same on whichever later
day it is built, and a model trained on day D may use it when label_until <= D.
#}

{# Horizons in days that labels are built for. #}
{% macro label_horizons() %}{{ return(var('label_horizons', [30, 91, 365])) }}{% endmacro %}

{# One row per training day and horizon that had passed by the newest moment of the run. #}
{% macro horizons_passed(horizons) -%}
(
    select
        run_days.as_of,
        horizons.horizon_days,
        {{ add_days('run_days.as_of', 'horizons.horizon_days') }} as label_until,
        {{ add_days('run_days.known_by', 'horizons.horizon_days') }} as label_known_by
    from {{ source('sources', 'run_days') }} as run_days
    cross join (
        {% for horizon in horizons %}select {{ horizon }} as horizon_days{{ ' union all ' if not loop.last }}{% endfor %}
    ) as horizons
    cross join (select max(as_of) as newest_as_of from {{ source('sources', 'run_days') }}) as newest
    where
        run_days.is_training
        and {{ add_days('run_days.as_of', 'horizons.horizon_days') }} <= newest.newest_as_of
)
{%- endmacro %}

{# The versions of a fact that fell into each passed horizon and counted when it closed. #}
{% macro came_true(relation, horizons) -%}
(
    select
        passed.as_of,
        passed.horizon_days,
        facts.*
    from {{ relation }} as facts
    inner join {{ horizons_passed(horizons) }} as passed
        on
            facts.occurred_at >= passed.as_of
            and facts.occurred_at < passed.label_until
            and facts.known_at <= passed.label_known_by
            and (facts.superseded_at is null or facts.superseded_at > passed.label_known_by)
)
{%- endmacro %}

{#
The customers of training days (as_of, customer_id) per horizon, with the ids that facts bear when it closes: whoever was found to be somebody else meanwhile has
done as that one what they did (`closed_customer_id`). Of those who turned out to be one person, one stays, if possible who gave the name: another would be taught
the same outcome from a part of the same past.
#}
{% macro customers_until_closed(customers, horizons) -%}
(
    select
        passed.as_of,
        passed.horizon_days,
        passed.label_until,
        customers.customer_id,
        coalesce(links.customer_id, customers.customer_id) as closed_customer_id
    from {{ customers }} as customers
    inner join {{ horizons_passed(horizons) }} as passed on customers.as_of = passed.as_of
    left join {{ first_records() }} as anchors on customers.customer_id = anchors.customer_id
    left join {{ source('identity', 'customer_links') }} as links
        on
            anchors.source = links.source
            and anchors.source_customer_id = links.source_customer_id
            and links.valid_from <= passed.label_known_by
            and coalesce(links.valid_to, {{ forever() }}) > passed.label_known_by
    qualify row_number() over (
        partition by passed.as_of, passed.horizon_days, coalesce(links.customer_id, customers.customer_id)
        order by customers.customer_id <> coalesce(links.customer_id, customers.customer_id), customers.customer_id
    ) = 1
)
{%- endmacro %}
