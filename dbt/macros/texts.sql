{# What people and vendors write, read: blanks, words for nothing, names of countries and zones, markup. #}

{# A text without the blanks around it; null when it says nothing. #}
{% macro said(expression) -%}
case when lower(trim({{ expression }})) not in ('', 'null', 'n/a', 'none', '-', '\n') then trim({{ expression }}) end
{%- endmacro %}

{# The ISO 3166 code of a country by its code or name (English, or its own language); null for one that is not listed. #}
{% macro country_code(expression) -%}
case lower(trim({{ expression }}))
    {% for code, names in var("countries").items() %}
    {% for name in names %}when '{{ name }}' then '{{ code }}'
    {% endfor %}
    {% endfor %}
    else case when regexp_matches(trim({{ expression }}), '^[A-Za-z]{2}$') then upper(trim({{ expression }})) end
end
{%- endmacro %}

{# The ISO 639 code of a language by its code, locale (de-AT) or English name; null for one that is not listed. #}
{% macro language_code(expression) -%}
case lower(trim({{ expression }}))
    {% for code, name in {
        'cs': 'czech', 'da': 'danish', 'de': 'german', 'en': 'english', 'es': 'spanish', 'fi': 'finnish', 'fr': 'french', 'it': 'italian',
        'nl': 'dutch', 'no': 'norwegian', 'pl': 'polish', 'pt': 'portuguese', 'sv': 'swedish'
    }.items() %}when '{{ name }}' then '{{ code }}'
    {% endfor %}
    else case when regexp_matches(trim({{ expression }}), '^[A-Za-z]{2}([-_].*)?$') then lower(substr(trim({{ expression }}), 1, 2)) end
end
{%- endmacro %}

{# Markup as one line of plain text. #}
{% macro plain_text(expression) -%}
nullif(trim(regexp_replace(
    replace(replace(replace(replace(replace(
        regexp_replace({{ expression }}, '<[^>]*>', ' ', 'g'),
    '&nbsp;', ' '), '&lt;', '<'), '&gt;', '>'), '&quot;', '"'), '&amp;', '&'),
'\s+', ' ', 'g')), '')
{%- endmacro %}

{# The person of a row: by number, else by address as a guest. #}
{% macro buyer(customer_id, email) -%}
coalesce({{ customer_id }}, 'guest:' || md5(lower({{ said(email) }})))
{%- endmacro %}

{# Whether a word of a stranger's grants consent; any other withdraws. #}
{% macro says_yes(expression) -%}
coalesce(regexp_matches(lower(trim({{ expression }})), '{{ var("says_yes") }}'), false)
{%- endmacro %}

{# Whether a stranger's mark of deletion, a moment or a yes, says that the row is gone. #}
{% macro is_gone(expression) -%}
coalesce(not regexp_matches(lower({{ said(expression) }}), '{{ var("says_no") }}'), false)
{%- endmacro %}

{# The moment that a stranger's mark says, null where it is a plain yes or none. #}
{% macro marked_at(expression, zone) -%}
case
    when regexp_matches({{ expression }}, '^[0-9]{4}-[0-9]{2}-[0-9]{2}') and try_cast({{ expression }} as timestamp) is not null
        then {{ stated_moment(expression, zone) }}
end
{%- endmacro %}

{# Our word for a stranger's channel; e-mail where nothing is said. #}
{% macro channel_called(expression) -%}
case
    when regexp_matches(lower({{ expression }}), 'sms|text|whatsapp') then 'sms'
    when regexp_matches(lower({{ expression }}), 'push') then 'push'
    when regexp_matches(lower({{ expression }}), 'phone|call') then 'phone'
    when regexp_matches(lower({{ expression }}), 'e.?mail') or {{ said(expression) }} is null then 'email'
    else lower(trim({{ expression }}))
end
{%- endmacro %}

{# Our word for a stranger's purpose; null where none is said. #}
{% macro purpose_called(expression) -%}
case
    when regexp_matches(lower({{ expression }}), '{{ var("says_profiling") }}') then 'profiling'
    when regexp_matches(lower({{ expression }}), 'third|partner|shar') then 'third_party'
    when {{ said(expression) }} is not null then 'marketing'
end
{%- endmacro %}

{# What a category is called: the end of its path (Tea > Green tea, tea.green_tea), without further categories behind a comma. #}
{% macro category_called(expression) -%}
case
    when {{ expression }} like '% > %' then trim(regexp_replace(regexp_replace({{ expression }}, '^.* > ', ''), ',.*$', ''))
    when regexp_full_match({{ expression }}, '[a-z_]+([.][a-z_]+)+') then replace(regexp_replace({{ expression }}, '^.*[.]', ''), '_', ' ')
    else {{ expression }}
end
{%- endmacro %}

{# Our word for a stranger's event. #}
{% macro event_called(expression) -%}
case
    {% for event, words in var("event_words").items() %}
    when lower(trim({{ expression }})) in ('{{ words | join("', '") }}') then '{{ event }}'
    {% endfor %}
    else lower(trim({{ expression }}))
end
{%- endmacro %}

{# Whether a status gives an order or a line back. #}
{% macro gives_back(expression) -%}
coalesce(
    regexp_matches(lower({{ expression }}), '{{ var("given_back") }}') and not regexp_matches(lower({{ expression }}), '{{ var("not_given_back") }}'), false
)
{%- endmacro %}

{#
Rows with `said_since` (and whether that is history): when the row of a key began to give its `answer`, for tables that put no date to it. Changed elsewhere, deleted and back (no
answer), it says nothing new, and must not go before a word that came in between.
#}
{% macro said_since(relation, key) -%}
{%- set by_key = 'partition by ' ~ key | join(', ') %}
(
    select
        * exclude (run_said, run_changes, run_number),
        min(_known_at) over ({{ by_key }}, run_number) as said_since,
        bool_or(_is_history) over ({{ by_key }}, run_number) as said_in_history
    from (
        select
            *,
            sum(run_changes) over ({{ by_key }} order by _known_at, _row_number rows between unbounded preceding and current row) as run_number
        from (
            select
                *,
                case when run_said = lag(run_said) over ({{ by_key }} order by _known_at, _row_number) then 0 else 1 end as run_changes
            from (
                select
                    *,
                    last_value(answer ignore nulls) over (
                        {{ by_key }} order by _known_at, _row_number rows between unbounded preceding and current row
                    ) as run_said
                from {{ relation }}
            ) as said
        ) as changed
    ) as runs
)
{%- endmacro %}
