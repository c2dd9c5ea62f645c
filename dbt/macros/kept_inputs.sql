{# What a kept table (kept.sql) reads, what of that is not as at its last build, and the books of both. #}

{#
What a model reads, by name: kind (`kept` table, `raw` table of batches, table of `days`, `content`: any other table, `view`), and how a change of it is followed:
`cut` (expressions that give the part), `touch` (columns to look up), or neither. A view is read through to its own inputs. An input counts as cut
when each reading of it is.
#}
{% macro kept_inputs(sql) %}
    {%- set cuts = {} -%}
    {%- for expression, name in part_marks(sql) -%}
        {%- do cuts.setdefault(name, []).append(expression) -%}
    {%- endfor -%}
    {%- for name in cuts | list if sql.count('"' ~ name | replace('.', '"."') ~ '"') != cuts[name] | length -%}
        {%- do cuts.pop(name) -%}
    {%- endfor -%}
    {%- set inputs = {} -%}
    {%- for id in model.depends_on.nodes -%}
        {%- do add_inputs(inputs, id, cuts, (kept_by('touched_by') or {})) -%}
    {%- endfor -%}
    {{ return(inputs) }}
{% endmacro %}

{% macro add_inputs(inputs, id, cuts, touches) %}
    {%- set node = graph.sources[id] if id in graph.sources else graph.nodes[id] -%}
    {%- set name = node.schema ~ '.' ~ (node.identifier if id in graph.sources else node.alias) -%}
    {%- set kept_as = 'source' if id in graph.sources else node.config.materialized -%}
    {%- if kept_as == 'ephemeral' -%}
        {%- for parent in node.depends_on.nodes -%}{%- do add_inputs(inputs, parent, cuts, touches) -%}{%- endfor -%}
    {%- elif kept_as == 'view' -%}
        {%- do inputs.update({name: {'kind': 'view'}}) -%}
        {%- for parent in node.depends_on.nodes -%}{%- do add_inputs(inputs, parent, {}, {}) -%}{%- endfor -%}
    {%- elif name not in ('sources.run_days', 'sources.built_days') -%}
        {#- Of the days of runs matters what the moment says. -#}
        {%- set input = inputs.setdefault(name, {'kind': kept_as if kept_as in ('kept', 'days') else 'raw' if '_batch_id' in node.columns else 'content'}) -%}
        {%- do input.update({'is_dated': kept_as == 'kept' and 'windows' in node.config.get('meta', {})}) -%}
        {%- if input.kind in ('kept', 'raw') and name in cuts -%}
            {%- do input.update({'cut': cuts[name] | unique | list}) if not input.is_uncut -%}
        {%- elif input.kind == 'kept' and node.name in touches -%}
            {%- do input.update({'touch': touches[node.name]}) if not input.is_uncut -%}
        {%- else -%}
            {#- Read another way too, a change of it cannot be told by part. -#}
            {%- do input.update({'is_uncut': true}) -%}
            {%- do input.pop('cut', none) -%}
            {%- do input.pop('touch', none) -%}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}

{# The inputs, and of raw tables the batches, that are not as at the model's last build: input, batch, state now, state then. #}
{% macro differing_inputs(name, code, inputs) %}
with

present as (
    select 'code' as input, '-' as batch, '{{ code }}' as state
    {%- if is_dated() %}
    union all
    select
        'moment' as input,
        '-' as batch,
        concat_ws('|', max(as_of), max(known_by), count(*), md5(string_agg(concat(as_of, ' ', known_by, ' ', is_day), '|' order by as_of))) as state
    from {{ moments() }} as moments
    {%- endif %}
    {% for input, how in inputs.items() %}
    union all
    {% if how.kind == 'raw' -%}
    select '{{ input }}' as input, coalesce(_batch_id, '-') as batch, cast(count(*) as varchar) as state from {{ input }} group by _batch_id
    {%- elif how.kind == 'kept' -%}
    select model as input, '-' as batch, concat(build, case when is_whole then ' whole' end) as state
    from sources.model_builds
    where model = '{{ input }}'
    {%- elif how.kind == 'days' -%}
    select '{{ input }}' as input, '-' as batch, {{ content_of(days_of_the_run(input)) }} as state
    {%- elif how.kind == 'view' -%}
    select '{{ input }}' as input, '-' as batch, comment as state
    from duckdb_views()
    where schema_name = '{{ input.split('.')[0] }}' and view_name = '{{ input.split('.')[1] }}'
    {%- else -%}
    select '{{ input }}' as input, '-' as batch, {{ content_of(input) }} as state
    {%- endif %}
    {% endfor %}
),

-- Which SQL it is made of the table says itself: one that was made another way meanwhile says nothing.
seen as (
    select input, batch, state from sources.model_inputs where model = '{{ name }}' and input <> 'code'
    union all
    select 'code' as input, '-' as batch, comment as state
    from duckdb_tables()
    where schema_name = '{{ name.split('.')[0] }}' and table_name = '{{ name.split('.')[1] }}'
)

select
    coalesce(present.input, seen.input) as input,
    coalesce(present.batch, seen.batch) as batch,
    coalesce(present.state, 'none') as state,
    coalesce(seen.state, 'none') as state_then
from present
full join seen on present.input = seen.input and present.batch = seen.batch
where present.state is distinct from seen.state
{% endmacro %}

{% macro say_code(target, sql) %}comment on table {{ target }} is '{{ local_md5(sql) }}'{% endmacro %}

{# The rows of a relation as one text, whatever their order. #}
{% macro content_of(relation) -%}
(select cast(coalesce(sum(cast(hash(content) as hugeint)), 0) as varchar) from {{ relation }} as content)
{%- endmacro %}

{# What a table of days says of the run's moments. #}
{% macro days_of_the_run(name) -%}
(select * from {{ name }} where as_of in (select moments.as_of from {{ moments() }} as moments))
{%- endmacro %}

{#
Enter a build and the states of the inputs it was made from. A build that changed nothing has no number; one whose changes no kept table follows
counts twice, so that a table that comes to read this one finds that it has missed one.
#}
{% macro enter_build(name, differing, is_whole, changed=true) %}
    {%- if changed %}
insert into sources.model_builds
select '{{ name }}', coalesce(max(build), 0) + {{ 1 if is_followed(model.unique_id) else 2 }}, {{ is_whole }}
from sources.model_builds
where model = '{{ name }}';
delete from sources.model_builds
where model = '{{ name }}' and build < (select max(build) from sources.model_builds where model = '{{ name }}');
    {%- endif -%}
    {%- if differing %}
create or replace temp table entered as
select * from (values
    {%- for row in differing %} ('{{ row[0] }}', '{{ row[1] }}', '{{ row[2] }}'){{ ',' if not loop.last }}{% endfor -%}
) as entered (input, batch, state);
delete from sources.model_inputs using entered
where model_inputs.model = '{{ name }}' and model_inputs.input = entered.input and model_inputs.batch = entered.batch;
insert into sources.model_inputs select '{{ name }}', * from entered where state <> 'none' and input <> 'code';
drop table entered;
    {%- endif %}
select 1
{% endmacro %}

{# Whether a kept table reads a model, itself or through views and ephemeral models. #}
{% macro is_followed(unique_id) %}
    {%- for node in graph.nodes.values() if unique_id in node.depends_on.nodes -%}
        {%- if node.config.materialized == 'kept' or (node.config.materialized in ('view', 'ephemeral') and is_followed(node.unique_id)) -%}
            {{ return(true) }}
        {%- endif -%}
    {%- endfor -%}
    {{ return(false) }}
{% endmacro %}
