-- Linked rows: how they are read with a row, and which of them are shown.

-- minutehand.link_parts(relation, config, names, bad links, row) -> (joins, linked, hidden): parts of the query that reads rows of the
-- table as t, whose columns the links are taken from.  `joins` finds the linked rows, `linked` is {name: linked row}, `hidden` is
-- {name: why}.  names, bad links: as in minutehand.read_rows_batch.  row: the SQL of the row as jsonb.  $3 is the config.
create or replace function minutehand.link_parts(
  p_relation oid, p_config jsonb, p_names text[], p_bad jsonb, p_row text, out joins text, out linked text, out hidden text
) language plpgsql stable set search_path = '' as $$
declare
  v_link record;
  v_is_set text;
  v_bad jsonb;
begin
  joins := '';
  linked := '''{}''::jsonb';
  hidden := '''{}''::jsonb';
  for v_link in
    select l.*, row_number() over () as nr
    from minutehand.linked_tables(p_relation, p_config) l where p_names is null or l.name = any (p_names)
  loop
    v_is_set := minutehand.is_set('t', v_link.words -> 'columns', p_relation);
    v_bad := coalesce(minutehand.as_hidden(v_link.problem), p_bad -> v_link.name);
    if v_bad is not null then
      hidden := hidden || minutehand.hidden_if(v_is_set, v_link.name, v_bad);
      continue;
    end if;
    -- Where the column is not unique: the row of this tenant, if there is only one.
    joins := joins || format(case
      when v_link.is_unique then
        ' left join lateral (select minutehand.row_json(x, %6$L) as found, false as are_many from %1$s x where %2$s limit 1) l%3$s on true'
        ' left join lateral (select minutehand.why_hidden($3, %5$s, %4$L, l%3$s.found) as why'
        ' where l%3$s.found is not null) h%3$s on true'
      else
        ' left join lateral (select c.found, c.why, count(*) filter (where c.why is null) over () > 1 as are_many'
        ' from (select j.found, minutehand.why_hidden($3, %5$s, %4$L, j.found) as why from %1$s x'
        ' cross join lateral (select minutehand.row_json(x, %6$L) as found offset 0) j where %2$s) c'
        ' order by c.why nulls first limit 1) l%3$s on true'
        ' cross join lateral (select l%3$s.why) h%3$s' end,
      v_link.target::regclass, v_link.condition, v_link.nr, v_link.words, p_row, minutehand.padded_columns(v_link.target));
    linked := linked || format(
      ' || case when l%1$s.found is null or l%1$s.are_many or h%1$s.why is not null or minutehand.is_set_on(l%1$s.found, %4$L)'
      ' then ''{}''::jsonb else jsonb_build_object(%2$L, l%1$s.found - %3$L::text[]) end', v_link.nr, v_link.name,
      array(select jsonb_array_elements_text(v_link.words -> 'exclude')), v_link.words ->> 'soft_delete');
    hidden := hidden || format(
      ' || case when l%1$s.found is null and %2$s or l%1$s.are_many or h%1$s.why is not null or minutehand.is_set_on(l%1$s.found, %3$L)'
      ' then minutehand.hidden_link(%4$L, %5$s, l%1$s.found, l%1$s.are_many, h%1$s.why) else ''{}''::jsonb end',
      v_link.nr, v_is_set, v_link.words ->> 'soft_delete', v_link.words, p_row);
    if row_security_active(v_link.target) then
      hidden := hidden || minutehand.hidden_if(
        format('%s and l%s.found is null', v_is_set, v_link.nr), v_link.name,
        minutehand.as_hidden(minutehand.hidden_rows(v_link.target)));
    end if;
  end loop;
  select hidden || coalesce(string_agg(minutehand.hidden_if(
    minutehand.is_set('t', to_jsonb(o.columns), p_relation), o.name, jsonb_build_object('code', 'link_outside', 'reason', format(
      '%s is not shown: %s is in another schema; link a view of it: minutehand trigger add … --link %s:VIEW',
      o.name, o.label, o.name || '=' || o.columns[1]))), ''), '')
  into hidden
  from minutehand.outside_links(p_relation, p_config) o
  where p_names is null or o.name = any (p_names);
end
$$;

-- minutehand.hidden_link(link's words, row, linked row, are there several, why) -> {name: why}: why a linked row is not shown.  One
-- that is gone has no code of its own: what misses it fails as without a link, with this reason.
create or replace function minutehand.hidden_link(
  p_link jsonb, p_row jsonb, p_linked jsonb, p_are_many boolean, p_why text
) returns jsonb language sql immutable as $$
  select jsonb_build_object(p_link ->> 'name', case
    when p_linked is null then jsonb_build_object('gone', true, 'reason', format(
      'the %s is gone: %s has no row %s', p_link ->> 'name', p_link ->> 'table', k.key))
    when p_why is not null then jsonb_build_object('code', 'link_other_tenant', 'reason', p_why)
    when p_are_many then jsonb_build_object('code', 'link_not_unique', 'reason', format(
      'several rows of %s are the %s %s of one tenant', p_link ->> 'table', p_link ->> 'name', k.key))
    else jsonb_build_object('gone', true, 'reason', format(
      'the %s is gone: %s of row %s of %s is set', p_link ->> 'name', p_link ->> 'soft_delete', k.key, p_link ->> 'table')) end)
  from (select string_agg(p_row ->> c, ', ') as key from jsonb_array_elements_text(p_link -> 'columns') as c) k
$$;

-- minutehand.is_set_on(row, column) -> boolean: does the row have a value there that is not false?  false without a column: a row
-- with its soft-delete column set counts as gone.
create or replace function minutehand.is_set_on(p_row jsonb, p_column text) returns boolean
language sql immutable as $$
  select coalesce(p_row -> p_column not in ('null', 'false'), false)
$$;

-- minutehand.is_set(alias, columns, relation) -> SQL: does the row name a linked row?  true for a column that is not there.
create or replace function minutehand.is_set(p_alias text, p_columns jsonb, p_relation oid) returns text
language sql stable as $$
  select coalesce(string_agg(format('%s.%I is not null', p_alias, c), ' and '), 'true')
  from jsonb_array_elements_text(p_columns) as c
  where minutehand.has_column(p_relation, c)
$$;

-- minutehand.hidden_if(condition, name, why) -> SQL: what it adds to the hidden links.
create or replace function minutehand.hidden_if(p_condition text, p_name text, p_why jsonb) returns text
language sql immutable as $$
  select format(' || case when %s then jsonb_build_object(%L, %L::jsonb) else ''{}''::jsonb end', p_condition, p_name, p_why)
$$;

-- minutehand.why_hidden(config, row, link, linked row) -> text: why a linked row is not shown with a row, or null.
-- It is shown where both belong to one tenant.  The tenant of a row is the effective one: its organisation, else the
-- organisation in its user's profile, else its user.  So a client without an organisation is shown with its user's jobs.
-- A row that the tenant's own column refers to (organization_id, user_id) is the tenant's own, unless that user is known to be of
-- another organisation.
create or replace function minutehand.why_hidden(p_config jsonb, p_row jsonb, p_link jsonb, p_linked jsonb) returns text
language plpgsql stable set search_path = '' as $$
declare
  v_user constant text := p_row ->> coalesce(p_config ->> 'user', 'user_id');
  v_linked_user constant text := p_linked ->> (p_link ->> 'user');
  v_linked_organization text := p_linked ->> (p_link ->> 'tenant');
begin
  if p_config ->> 'tenant' is null or (p_link ->> 'shown')::boolean
     or p_link -> 'columns' <@ jsonb_build_array(p_config ->> 'tenant')
     or p_link -> 'columns' <@ jsonb_build_array(p_config ->> 'tenant', coalesce(p_config ->> 'user', 'user_id'))
        and minutehand.may_be_member(v_user, minutehand.organization_of(p_row, p_config)) then
    return null;
  elsif v_linked_organization is null and v_linked_user is null then
    return format('%s is not shown: table %s has no tenant; to show it to every tenant: minutehand trigger add … --global %s',
                  p_link ->> 'name', p_link ->> 'table', p_link ->> 'table');
  end if;
  v_linked_organization := minutehand.effective_organization(v_linked_organization, v_linked_user);
  if coalesce(case
      when v_linked_organization is not null then v_linked_organization
        = minutehand.effective_organization(minutehand.organization_of(p_row, p_config), v_user)
      else v_linked_user = v_user end, false) then
    return null;
  end if;
  return format('%s belongs to another tenant', p_link ->> 'name');
end
$$;

-- minutehand.read_links(relation, config, rows, bad links) -> (key, links, hidden): the links of rows that are gone, [{"key", "row"}], by
-- what they had.  Errors: those of reading.
create or replace function minutehand.read_links(p_relation oid, p_config jsonb, p_rows jsonb, p_bad jsonb)
returns table (key text, links jsonb, hidden jsonb) language plpgsql stable set search_path = '' as $$
declare
  v_parts record;
  v_columns text;
begin
  select * into v_parts from minutehand.link_parts(p_relation, p_config, null, p_bad, 't.minutehand_row');
  select string_agg(format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod)), ', ') into v_columns
  from pg_catalog.pg_attribute a
  where a.attrelid = p_relation and not a.attisdropped and a.attname in (
    select jsonb_array_elements_text(l.words -> 'columns') from minutehand.linked_tables(p_relation, p_config) l
    union select unnest(o.columns) from minutehand.outside_links(p_relation, p_config) o);
  if v_columns is null then
    return query select g ->> 'key', '{}'::jsonb, '{}'::jsonb from jsonb_array_elements(p_rows) as g;
    return;
  end if;
  return query execute format(
    'select t.minutehand_key, %s, %s'
    ' from (select g ->> ''key'' as minutehand_key, g -> ''row'' as minutehand_row, c.* from jsonb_array_elements($1) as g'
    ' cross join lateral jsonb_to_record(g -> ''row'') as c (%s)) t%s', v_parts.linked, v_parts.hidden, v_columns, v_parts.joins)
    using p_rows, null::text[], p_config;
end
$$;

-- minutehand.read_gone_rows(relation, config, rows) -> (key, links, hidden): the same, as far as it can be read now.
-- Errors: those of class `away`.  Locks: waits 250 ms at most (lock_wait).
create or replace function minutehand.read_gone_rows(p_relation oid, p_config jsonb, p_rows jsonb)
returns table (key text, links jsonb, hidden jsonb)
language plpgsql stable set search_path = '' set lock_timeout = '250ms' as $$
begin
  perform set_config('lock_timeout', minutehand.lock_wait(), true);
  begin
    return query
      select r.key, b.shown_links, r.hidden || b.too_large
      from minutehand.read_links(p_relation, p_config, p_rows, '{}') r
      cross join lateral minutehand.bounded_row(p_config, '{}', r.links) b;
    return;
  exception when others then
    if minutehand.is_away(sqlstate) then
      raise;
    end if;
    perform minutehand.note_wait(sqlstate), set_config('lock_timeout', minutehand.lock_wait(), true);
  end;
  return query
    select r.key, b.shown_links, r.hidden || b.too_large
    from minutehand.read_links(p_relation, p_config, p_rows, minutehand.unreadable_links(p_relation, p_config)) r
    cross join lateral minutehand.bounded_row(p_config, '{}', r.links) b;
end
$$;
