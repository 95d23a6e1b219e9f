-- Text and JSON: conversions that never raise, whatever the input.

-- minutehand.to_uuid(text) -> uuid, or null if the text is not one.
create or replace function minutehand.to_uuid(p_text text) returns uuid
language plpgsql immutable as $$
begin
  return p_text::uuid;
exception when others then
  return null;
end
$$;

-- minutehand.to_count(text) -> integer from 0 to a million, or null if the text is no number.
create or replace function minutehand.to_count(p_text text) returns integer
language plpgsql immutable as $$
begin
  return case when p_text is not null then least(greatest(p_text::numeric, 0), 1000000)::integer end;
exception when others then
  return null;
end
$$;

-- minutehand.as_list(text) -> jsonb: the list that the text contains, else an empty one.
create or replace function minutehand.as_list(p_text text) returns jsonb
language plpgsql immutable as $$
begin
  return case when jsonb_typeof(p_text::jsonb) = 'array' then p_text::jsonb else '[]' end;
exception when data_exception or statement_too_complex then
  return '[]';
end
$$;

-- minutehand.as_object(text) -> jsonb: the object that the text contains, also as JSON within a JSON string; else an empty one.
create or replace function minutehand.as_object(p_text text) returns jsonb
language plpgsql immutable as $$
declare
  v_value jsonb;
begin
  -- What nearly all settings are: no block, which is a subtransaction, and nothing to parse.
  if p_text = '{}' or p_text is null then
    return '{}';
  end if;
  begin
    v_value := p_text::jsonb;
    if jsonb_typeof(v_value) = 'string' then
      v_value := minutehand.json_in_text(v_value #>> '{}');
    end if;
    return case when jsonb_typeof(v_value) = 'object' then v_value else '{}' end;
  exception when data_exception or statement_too_complex then
    return '{}';
  end;
end
$$;

-- minutehand.as_objects(text) -> jsonb: the objects of the list that the text contains; one object is a list of one.
create or replace function minutehand.as_objects(p_text text) returns jsonb
language sql immutable as $$
  select coalesce(jsonb_agg(item order by nr) filter (where jsonb_typeof(item) = 'object'), '[]')
  from jsonb_array_elements(minutehand.as_list(p_text) || minutehand.as_object(p_text)) with ordinality as l (item, nr)
  where item <> '{}'
$$;

-- minutehand.readable_json(text) -> jsonb: the value that the text contains; of what jsonb cannot hold, its beginning as a text.
create or replace function minutehand.readable_json(p_text text) returns jsonb
language sql immutable as $$
  select case when minutehand.is_json(p_text) then p_text::jsonb else to_jsonb(left(p_text, 10000)) end
$$;

-- minutehand.is_json(text) -> boolean: can it become jsonb?  Tested with 500 levels to spare, since callers have less stack left.
create or replace function minutehand.is_json(p_text text) returns boolean
language plpgsql immutable as $$
begin
  perform (repeat('[', 500) || p_text || repeat(']', 500))::jsonb;
  return true;
exception when data_exception or statement_too_complex then
  return false;
end
$$;
