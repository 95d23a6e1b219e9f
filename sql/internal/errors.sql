-- Errors: what an SQLSTATE says about whose fault it is (PostgreSQL, appendix A).

-- minutehand.is_unstorable(sqlstate) -> boolean: the item itself cannot be stored: bad data, a constraint or trigger of the
-- app's, a value that is too large.  It ends alone, and the other items of the batch are stored.
create or replace function minutehand.is_unstorable(p_sqlstate text) returns boolean
language sql immutable as $$
  select left(p_sqlstate, 2) in ('21', '22', '23', '54') or p_sqlstate in ('P0001', '42804')
$$;

-- minutehand.is_temporary_error(sqlstate) -> boolean: the database's fault, not the item's, so it may work later: transaction
-- rollback, schema and rights, resources, locks, operator, system.
create or replace function minutehand.is_temporary_error(p_sqlstate text) returns boolean
language sql immutable as $$
  select left(p_sqlstate, 2) in ('40', '42', '53', '55', '57', '58')
$$;

-- minutehand.is_unreadable(sqlstate) -> boolean: the row that was read is at fault, or what computes it: reading it again fails
-- again.  Not so what minutehand.is_temporary_error names, but for class 42: a view may call what its owner may not.
create or replace function minutehand.is_unreadable(p_sqlstate text) returns boolean
language sql immutable as $$
  select left(p_sqlstate, 2) = '42' or left(p_sqlstate, 2) <> '08' and not minutehand.is_temporary_error(p_sqlstate)
$$;
