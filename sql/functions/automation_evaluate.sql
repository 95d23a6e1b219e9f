-- automation_evaluate(p_conditions, p_new, p_old, p_status_column) -> jsonb: which conditions hold for a row, and why
-- leaf:  {"field", "operator", "wanted", "actual", "was"? (the old value, for changed*), "held", "problem"?}
-- group: {"all" | "any" | "not": [node, ...], "held", "problem"?}; the top node is one of these.
--
-- The only place where conditions are judged (R9): the trigger, explain, simulate and condition steps all come here.
-- Errors: none, whatever the input.  What cannot be judged has a "problem" and does not hold.  Locks: none.
-- Called by: store.evaluate; inside SQL minutehand.conditions_met, the verdict alone.
--
-- How it works: normal_conditions (internal/condition_forms.sql) brings every accepted form into one, or says what is
-- wrong with it; verdict answers true, false or null ("cannot say": the row has no such field) by SQL's three-valued
-- logic, so that the `not` of what cannot be judged does not hold either; described writes that answer out as a tree.
create or replace function public.automation_evaluate(
  p_conditions jsonb, p_new jsonb, p_old jsonb default null, p_status_column text default 'status')
returns jsonb
language sql immutable security definer
set search_path = ''
as $$
  select minutehand.evaluate_conditions(p_conditions, p_new, p_old, p_status_column)
$$;
comment on function public.automation_evaluate is
  'minutehand: which conditions hold for a row, and why, as a tree';
