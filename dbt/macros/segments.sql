{# The segments: the columns of segment_flags that its YAML marks, in its order. Adding one is a column there and its description. #}
{% macro segment_names() %}
    {% set names = [] %}
    {% if execute %}
        {% for column in graph.nodes['model.dearly.segment_flags'].columns.values() if (column.config.meta if column.config is defined and column.config.meta is defined else column.meta).get('segment') %}
            {% do names.append(column.name) %}
        {% endfor %}
    {% endif %}
    {{ return(names) }}
{% endmacro %}
