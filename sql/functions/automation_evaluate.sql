-- automation_evaluate(p_conditions, p_new, p_old, p_status_column) -> jsonb: which conditions a row meets, and why
-- leaf:  {"field", "operator", "wanted", "actual", "was"? (the old value, for changed*), "held", "problem"?}
-- group: {"all" | "any" | "not": [node, ...], "held", "problem"?}; the top node is one of these.
--
-- The only place where conditions are evaluated (R9): the trigger, the dry run and condition steps all use it.
-- Errors: none, whatever the input.  A condition that cannot be evaluated has a "problem" and is not met.  Locks: none.
-- Called by: store.evaluate; inside SQL, minutehand.conditions_met returns the verdict alone.
--
-- How it works: normal_conditions (internal/condition_forms.sql) translates every accepted form into one, or says what is wrong
-- with it; conditions_verdict returns true, false or null ("cannot say": the row has no such field) by three-valued logic, so that
-- the `not` of a condition that cannot be evaluated is not met either; describe_conditions returns the same as a tree.
create or replace function public.automation_evaluate(
  p_conditions jsonb, p_new jsonb, p_old jsonb default null, p_status_column text default 'status')
returns jsonb
language sql immutable security definer
set search_path = ''
as $$
  select minutehand.evaluate_conditions(p_conditions, p_new, p_old, p_status_column)
$$;
comment on function public.automation_evaluate is
  'minutehand: which conditions a row meets, and why, as a tree';
