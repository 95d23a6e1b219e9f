-- Errors: whose an error is, by its SQLSTATE (PostgreSQL, appendix A).  Decided here alone (R18).

-- minutehand.error_class(sqlstate) -> text:
--   away    the database itself: it rolled back (40), has no room (53), failed (58), stops or ended the statement (57), or is
--           a standby (25006).  The call fails as a whole, and its caller repeats it.
--   object  a table, a column, a right or a lock, which may be there later: 42, 55, 25, 0A, 3F, XX; of a foreign table's server
--           also 08 and HV (the end of our own connection reaches no handler).  Only what needs that object waits.
--   item    everything else: a value, a constraint, what the app itself raises, a size.  That item ends alone.
create or replace function minutehand.error_class(p_sqlstate text) returns text
language sql immutable as $$
  select case
    when left(p_sqlstate, 2) in ('40', '53', '57', '58') or p_sqlstate = '25006' then 'away'
    when left(p_sqlstate, 2) in ('08', '0A', '25', '3F', '42', '55', 'HV', 'XX') and p_sqlstate <> '42804' then 'object'
    else 'item'
  end
$$;

-- minutehand.is_away(sqlstate) -> boolean: the database is at fault.  Whoever catches such an error raises it again.
create or replace function minutehand.is_away(p_sqlstate text) returns boolean
language sql immutable as $$
  select minutehand.error_class(p_sqlstate) = 'away'
$$;

-- minutehand.is_unstorable(sqlstate) -> boolean: the item itself cannot be stored (42804: a value of another type, too).  It ends
-- alone, and the other items of the batch are stored.
create or replace function minutehand.is_unstorable(p_sqlstate text) returns boolean
language sql immutable as $$
  select minutehand.error_class(p_sqlstate) = 'item'
$$;
