{#
The macros of this file are the only place where the two times of a fact are compared with the moments a run builds
(`sources.run_days`: as_of, known_by). A dated model starts from one of them and never mentions valid or known time again.
#}

{# The versions of a fact that counted at each moment of the run: happened before as_of, known by known_by, not yet superseded then. #}
{% macro known(relation) -%}
(
    select
        run_days.as_of,
        facts.*
    from {{ cut(relation) }} as facts
    inner join {{ moments() }} as run_days
        on
            facts.occurred_at < run_days.as_of
            and facts.known_at <= run_days.known_by
            and (facts.superseded_at is null or facts.superseded_at > run_days.known_by)
)
{%- endmacro %}

{# As `known`, whenever it happened: withdrawals and suppressions count from the moment they are known. #}
{% macro known_anytime(relation) -%}
(
    select
        run_days.as_of,
        facts.*
    from {{ cut(relation) }} as facts
    inner join {{ moments() }} as run_days
        on
            facts.known_at <= run_days.known_by
            and (facts.superseded_at is null or facts.superseded_at > run_days.known_by)
)
{%- endmacro %}

{# All versions that were known at each moment of the run, also those that a newer one has taken the place of. #}
{% macro ever_known(relation) -%}
(
    select
        run_days.as_of,
        facts.*
    from {{ relation }} as facts
    inner join {{ moments() }} as run_days on facts.known_at <= run_days.known_by
)
{%- endmacro %}

{# The rows of a dimension (valid_from, valid_to) that were believed at each moment of the run. #}
{% macro valid(relation) -%}
(
    select
        run_days.as_of,
        versions.*
    from {{ relation }} as versions
    inner join {{ moments() }} as run_days
        on
            versions.valid_from <= run_days.known_by
            and (versions.valid_to is null or versions.valid_to > run_days.known_by)
)
{%- endmacro %}

{# The moments a model builds: the days of the run, and the training days where the model says so (`meta: {training_days: true}`). #}
{% macro moments() -%}
(
    select
        as_of,
        known_by,
        is_day
    from {{ source('sources', 'run_days') }}
    {% if not training_days() %}where is_day{% endif %}
)
{%- endmacro %}

{% macro training_days() %}
    {{- return(model.config.get('meta', {}).get('training_days', false)) -}}
{% endmacro %}

{# Since when something is there, whatever was changed of it later: as of each moment, by the versions known then. #}
{% macro first_versions(relation, key) -%}
select
    run_days.as_of,
    versions.{{ key }},
    min(versions.occurred_at) as began_at
from {{ relation }} as versions
inner join {{ moments() }} as run_days on versions.known_at <= run_days.known_by
group by run_days.as_of, versions.{{ key }}
{%- endmacro %}
