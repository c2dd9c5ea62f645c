{# A key of several columns: no two rows share it; and what each row fills, asked in one reading. #}
{% test unique_key(model, columns, filled=[]) %}
select
    {{ columns | join(', ') }},
    count(*) as copies
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1{% for column in filled %} or count({{ column }}) < count(*){% endfor %}

{% endtest %}
