{# Kept tables of the run's moment (kept.sql): what a day that passes touches, and what it carries. #}

{# Whether the moment moved on, from the newest moment then to the only one now, by whole days of 24 hours: days end alike then. #}
{% macro moves_by_days(then, now) %}
    {%- set then = then.split('|') -%}
    {%- set now = now.split('|') -%}
    {%- set parse = modules.datetime.datetime.fromisoformat -%}
    {%- if then | length != now | length or now[2] != '1' or now[0] <= then[0] or now[1] < then[1] -%}{{ return(false) }}{%- endif -%}
    {{ return((parse(now[0]) - parse(then[0])).total_seconds() % 86400 == 0) }}
{% endmacro %}

{#
For a dated model whose moment moved on: the parts of facts that begin or cease to count, or leave a window (days of age). Facts lie in the order in
which they came, more or less: asked for one span of time at a time, the engine passes over what lies outside, which it does not for several at once.
#}
{% macro parts_touched_by_time(differing, inputs) %}
    {%- for input, batch, state, state_then in differing if input == 'moment' -%}
        {%- set then = state_then.split('|') -%}
        {%- set now = state.split('|') -%}
        {%- for name, how in inputs.items() if how.kind == 'kept' and not how.is_dated -%}
            {%- for expression in how.get('cut', []) %}
                {%- set part = 'union select ' ~ expression ~ ' as part from ' ~ name %}
{{ part }} where known_at > timestamp '{{ then[1] }}' and known_at <= timestamp '{{ now[1] }}'
{{ part }} where superseded_at > timestamp '{{ then[1] }}' and superseded_at <= timestamp '{{ now[1] }}'
{{ part }} where occurred_at >= timestamp '{{ then[0] }}' and occurred_at < timestamp '{{ now[0] }}'
                {%- for window in kept_by('windows') %}
{{ part }} where occurred_at > {{ days_before(then[0], window) }} and occurred_at <= {{ days_before(now[0], window) }}
                {%- endfor -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endfor -%}
{% endmacro %}

{% macro days_before(moment, days) %}timestamp '{{ modules.datetime.datetime.fromisoformat(moment) - modules.datetime.timedelta(days=days) }}'{% endmacro %}

{# A dated model's rows of the newest moment then, carried to the moment now. #}
{% macro carry(target, differing) %}
    {%- for input, batch, state, state_then in differing if input == 'moment' %}
delete from {{ target }} where as_of <> timestamp '{{ state_then.split('|')[0] }}';
update {{ target }} set as_of = timestamp '{{ state.split('|')[0] }}';
    {% endfor -%}
{% endmacro %}
