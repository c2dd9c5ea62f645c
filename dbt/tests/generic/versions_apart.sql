{# Versions of a key are half-open spans: each has its key and its beginning, none ends before it begins, and no two of a key hold at once. #}
{% test versions_apart(model, key, since='known_at', until='superseded_at') %}
select
    {{ key }},
    {{ since }},
    {{ until }}
from (
    select
        {{ key }},
        {{ since }},
        {{ until }},
        lead({{ since }}) over (partition by {{ key }} order by {{ since }}, {{ until }}) as next_since
    from {{ model }}
) as spans
where
    {{ key }} is null
    or {{ since }} is null
    or {{ until }} <= {{ since }}
    or next_since < coalesce({{ until }}, {{ forever() }})
{% endtest %}
