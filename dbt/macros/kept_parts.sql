{# The parts that a kept table (kept.sql) falls into: how a model marks them, which have changed, and its SQL restricted to these. #}

{# An input cut by the model's parts: `expression` says of each row which part it belongs to (by default as the model says of its own rows). #}
{% macro part_of(relation, expression=none) -%}
(select * from {{ relation }} {{ part_mark(relation, expression) }})
{%- endmacro %}

{# An input of a model that may have parts. #}
{% macro cut(relation) %}{{ return(part_of(relation) if kept_by('part') else relation) }}{% endmacro %}

{#
What a model looks up of another table by `column`, for the rows of `keys`, a CTE. A build of parts reads no other rows of it: joined as it is, the whole
table would be read and hashed for a handful of keys. A build of the whole joins it as it is.
#}
{% macro looked_up(relation, column, keys) -%}
(select * from {{ relation }} {% if kept_by('part') %}/*only {{ column }} of {{ keys }}*/{% endif %})
{%- endmacro %}

{% macro part_mark(relation, expression=none) %}
    {%- set expression = kept_by('part') if expression is none else expression -%}
    {%- if expression -%}{{ return('/*part ' ~ expression ~ ' of ' ~ named(relation) ~ '*/') }}{%- endif -%}
    {{ return('') }}
{% endmacro %}

{% macro part_marks(sql) %}{{ return(modules.re.findall('/\\*part (.+?) of (\\S+)\\*/', sql)) }}{% endmacro %}

{#
In how many slices the whole of a dated model is built: so many rows of its largest marked input at a time, counted for each moment. Facts are not
sliced: they lie in the order in which they came, and are read by that.
#}
{% macro slices_of(sql) %}
    {%- set names = part_marks(sql) | map(attribute=1) | unique | list -%}
    {%- if not (names and is_dated()) -%}{{ return(1) }}{%- endif -%}
    {% call statement('slices', fetch_result=true) -%}
        select cast(ceil(max(estimated_size) * (select count(*) from {{ moments() }}) / {{ var('slice_rows') }}) as integer)
        from duckdb_tables()
        where schema_name || '.' || table_name in ('{{ names | join("', '") }}')
    {%- endcall %}
    {{ return(load_result('slices')['data'][0][0] or 1) }}
{% endmacro %}

{# The SQL of one of the slices; which part is in which never changes. #}
{% macro sliced(sql, slice, slices) %}
    {%- set sliced = namespace(sql=sql) -%}
    {%- if slices > 1 -%}
        {%- for expression, name in part_marks(sql) -%}
            {%- set mark = '/*part ' ~ expression ~ ' of ' ~ name ~ '*/' -%}
            {%- set sliced.sql = sliced.sql | replace(mark, 'where hash(' ~ expression ~ ') % ' ~ slices ~ ' = ' ~ slice) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(sliced.sql) }}
{% endmacro %}

{# The parts of what has changed in each marked input, and of the marked rows that a changed lookup touches. #}
{% macro changed_parts(differing, inputs, sql) %}
create or replace temp table changed_parts as
select cast(null as varchar) as part
{{ parts_touched_by_time(differing, inputs) }}
{% for input in differing | map(attribute=0) | unique if input != 'moment' %}
    {%- set how = inputs[input] -%}
    {%- for expression in how.get('cut', []) %}
union
        {%- if how.kind == 'raw' %}
select {{ expression }} as part from {{ input }} where _batch_id in ({{ new_batches(differing, input) }})
        {%- else %}
select {{ expression }} as part from {{ input }}__changes
        {%- endif -%}
    {%- endfor -%}
    {%- if 'touch' in how -%}
        {%- set touched = [] -%}
        {%- for expression, name in part_marks(sql) | unique -%}
            {%- if how.touch | reject('in', columns_of(name)) | list | length == 0 %}
union
select {{ expression }} as part from {{ name }}
where ({{ how.touch | join(', ') }}) in (select ({{ how.touch | join(', ') }}) from {{ input }}__changes)
                {%- do touched.append(name) -%}
            {%- endif -%}
        {%- endfor -%}
        {%- if not touched -%}
            {{ exceptions.raise_compiler_error(this ~ ' is touched by ' ~ input ~ ', but no input has ' ~ how.touch | join(', ') ~ '.') }}
        {%- endif -%}
    {%- endif -%}
{% endfor %}
{% endmacro %}

{% macro restricted(sql, differing, inputs) %}
    {%- set restricted = namespace(sql=sql) -%}
    {%- for expression, name in part_marks(sql) -%}
        {%- set mark = '/*part ' ~ expression ~ ' of ' ~ name ~ '*/' -%}
        {%- set restricted.sql = restricted.sql | replace(mark, 'where ' ~ is_changed(expression, differing, name if inputs.get(name, {}).kind == 'kept')) -%}
    {%- endfor -%}
    {#- Through one list, that the engine expects few keys: of a CTE it expects many, and hashes the table instead of the keys. -#}
    {%- set keys = '(select unnest(list(distinct \\2.\\1)) as key from \\2) as keys' -%}
    {%- set asked = 'where \\1 in (select keys.key from ' ~ keys ~ ' where keys.key is not null)' -%}
    {{ return(modules.re.sub('/\\*only (\\S+) of (\\S+?)\\*/', asked, restricted.sql)) }}
{% endmacro %}

{#
Where raw batches are all that has changed, they are named in the condition itself, so that the engine skips what it need not read. Of a table the
parts are looked up first, by what tells them alone: the rows themselves are then read only where there are such. Of parts "that are not null" the
engine makes a filter (Bloom's) that it takes into the reading of a column; without a condition, or where it knows that all fulfil it, it makes none:
one part is null, therefore.
#}
{% macro is_changed(expression, differing, table=none) %}
    {%- if expression == '_batch_id' and differing | selectattr(1, 'equalto', '-') | list | length == 0 -%}
        {{ return('_batch_id in (' ~ new_batches(differing) ~ ')') }}
    {%- endif -%}
    {%- set changed = '(' ~ expression ~ ') in (select changed_parts.part from changed_parts where changed_parts.part is not null)' -%}
    {{ return('rowid in (select rowid from ' ~ table ~ ' where ' ~ changed ~ ')' if table else changed) }}
{% endmacro %}

{# The batches that have come, of all inputs or of one, as a list of SQL. #}
{% macro new_batches(differing, input=none) %}
    {%- set batches = [] -%}
    {%- for name, batch, state, state_then in differing if batch != '-' and (input is none or name == input) and "'" ~ batch ~ "'" not in batches -%}
        {%- do batches.append("'" ~ batch ~ "'") -%}
    {%- endfor -%}
    {{ return(batches | join(', ')) }}
{% endmacro %}
