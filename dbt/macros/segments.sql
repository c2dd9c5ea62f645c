{# The segments: the columns of segment_flags that its YAML describes, in its order. Adding one is a column there and its description. #}
{% macro segment_names() %}
    {% set names = [] %}
    {% if execute %}
        {% for name in graph.nodes['model.dearly.segment_flags'].columns if name not in ('as_of', 'customer_id') %}
            {% do names.append(name) %}
        {% endfor %}
    {% endif %}
    {{ return(names) }}
{% endmacro %}
