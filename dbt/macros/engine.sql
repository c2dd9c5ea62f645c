{# Where engines differ: one dispatched macro each. The default is DuckDB's; another engine adds `<engine>__<name>`. #}

{# The text at a JSON path ('$.a.b'); nested values come as JSON text. #}
{% macro json_text(column, path) %}{{ return(adapter.dispatch('json_text')(column, path)) }}{% endmacro %}
{% macro default__json_text(column, path) %}json_extract_string({{ column }}, '{{ path }}'){% endmacro %}

{# One row per element of a JSON array, as JSON. #}
{% macro json_each(column) %}{{ return(adapter.dispatch('json_each')(column)) }}{% endmacro %}
{% macro default__json_each(column) %}unnest(cast({{ column }} as json[])){% endmacro %}

{# A text with an offset, or without one in UTC, as a naive UTC timestamp. #}
{% macro utc(expression) %}{{ return(adapter.dispatch('utc')(expression)) }}{% endmacro %}
{% macro default__utc(expression) %}(cast({{ expression }} as timestamptz) at time zone 'UTC'){% endmacro %}

{# A text without an offset, read on the clock of a zone, as a naive UTC timestamp. #}
{% macro local_to_utc(expression, zone) %}{{ return(adapter.dispatch('local_to_utc')(expression, zone)) }}{% endmacro %}
{% macro default__local_to_utc(expression, zone) %}((cast({{ expression }} as timestamp) at time zone {{ zone }}) at time zone 'UTC'){% endmacro %}

{# A naive UTC timestamp on the clock of a zone. #}
{% macro utc_to_local(expression, zone) %}{{ return(adapter.dispatch('utc_to_local')(expression, zone)) }}{% endmacro %}
{% macro default__utc_to_local(expression, zone) %}((({{ expression }}) at time zone 'UTC') at time zone {{ zone }}){% endmacro %}

{# Whole days between two naive timestamps, rounded down. #}
{% macro days_between(earlier, later) %}{{ return(adapter.dispatch('days_between')(earlier, later)) }}{% endmacro %}
{% macro default__days_between(earlier, later) %}cast(floor((epoch_us({{ later }}) - epoch_us({{ earlier }})) / 86400000000) as integer){% endmacro %}

{# A stable bucket 0..9999 of a text: holdouts, variants. #}
{% macro bucket(expression) %}{{ return(adapter.dispatch('bucket')(expression)) }}{% endmacro %}
{% macro default__bucket(expression) %}(cast(concat('0x', substr(md5({{ expression }}), 1, 7)) as bigint) % 10000){% endmacro %}
{% macro spark__bucket(expression) %}(cast(conv(substr(md5({{ expression }}), 1, 7), 16, 10) as bigint) % 10000){% endmacro %}

{# The exact sum of a field over the objects of an array within a JSON object; 0 without any. #}
{% macro json_sum(object, array, field) %}{{ return(adapter.dispatch('json_sum')(object, array, field)) }}{% endmacro %}
{% macro default__json_sum(object, array, field) -%}
coalesce(list_sum(list_transform(
    json_extract_string({{ object }}, '$.{{ array }}[*].{{ field }}'), lambda amount: cast(amount as decimal(18, 2))
)), 0)
{%- endmacro %}

{# A naive timestamp some days later. #}
{% macro add_days(moment, days) %}{{ return(adapter.dispatch('add_days')(moment, days)) }}{% endmacro %}
{% macro default__add_days(moment, days) %}({{ moment }} + {{ days }} * interval '1 day'){% endmacro %}

{# Monday 1 to Sunday 7. #}
{% macro day_of_week(moment) %}{{ return(adapter.dispatch('day_of_week')(moment)) }}{% endmacro %}
{% macro default__day_of_week(moment) %}extract(isodow from {{ moment }}){% endmacro %}
{% macro spark__day_of_week(moment) %}(weekday({{ moment }}) + 1){% endmacro %}

{# A naive timestamp some hours later. #}
{% macro add_hours(moment, hours) %}{{ return(adapter.dispatch('add_hours')(moment, hours)) }}{% endmacro %}
{% macro default__add_hours(moment, hours) %}({{ moment }} + ({{ hours }}) * interval '1 hour'){% endmacro %}

{# The time zones that the engine can read, one row per `name`. #}
{% macro time_zones() %}{{ return(adapter.dispatch('time_zones')()) }}{% endmacro %}
{% macro default__time_zones() %}(select distinct name from pg_timezone_names() where name like '%/%' or name = 'UTC'){% endmacro %}

{# A list of key and value as Google writes it ([{key, value: {string_value, …}}]), ready for `parameter`. #}
{% macro parameters(column) %}{{ return(adapter.dispatch('parameters')(column)) }}{% endmacro %}
{% macro default__parameters(column) -%}
from_json({{ column }}, '[{"key":"VARCHAR","value":{"string_value":"VARCHAR","int_value":"BIGINT","double_value":"DOUBLE"}}]')
{%- endmacro %}

{# The text of a parameter, null without it. #}
{% macro parameter(list, key, kind='string_value') %}{{ return(adapter.dispatch('parameter')(list, key, kind)) }}{% endmacro %}
{% macro default__parameter(list, key, kind) -%}
list_filter({{ list }}, lambda entry: entry.key = '{{ key }}')[1].value.{{ kind }}
{%- endmacro %}

{# Microseconds since 1970-01-01 UTC as a naive UTC timestamp. #}
{% macro from_micros(expression) %}{{ return(adapter.dispatch('from_micros')(expression)) }}{% endmacro %}
{% macro default__from_micros(expression) %}make_timestamp(cast({{ expression }} as bigint)){% endmacro %}
{% macro spark__from_micros(expression) %}timestamp_micros(cast({{ expression }} as bigint)){% endmacro %}

{# The value of the entry with this name in a JSON array of {name, value}. #}
{% macro json_named(column, path, name) %}{{ return(adapter.dispatch('json_named')(column, path, name)) }}{% endmacro %}
{% macro default__json_named(column, path, name) -%}
json_extract_string(list_filter(cast(json_extract({{ column }}, '{{ path }}') as json[]), lambda entry: entry ->> '$.name' = '{{ name }}')[1], '$.value')
{%- endmacro %}

{# A moment as stated: with an offset it is that instant, without one it is read on the clock of a zone; a naive UTC timestamp. #}
{% macro stated_moment(expression, zone) -%}
case
    when regexp_matches({{ expression }}, ':[0-9]{2}([.][0-9]+)? ?([zZ]|UTC|[+-][0-9]{2}(:?[0-9]{2})?)$') then {{ utc(expression) }}
    else {{ local_to_utc(expression, zone) }}
end
{%- endmacro %}
