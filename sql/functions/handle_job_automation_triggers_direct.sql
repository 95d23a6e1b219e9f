-- handle_job_automation_triggers_direct(): the triggers of direct mode on automation_execution_logs.
-- After each insert it calls the executor through pg_net; with --no-claim, it also makes the row `processing` before that.
-- A call is a doorbell: who is called claims first, and a tick takes what no call reached, so a lost one is only late.
--
-- It can never hurt the app, by the means of automation_capture (R8): nothing of ours is named outside the blocks,
-- lock_timeout is set on the function, and after the first timeout the rest of the transaction calls nobody.
-- The name is the plan's, and an app may have a function of its own by it.  So it is made by `direct on` alone, which says
-- so first; here it is only brought up to date where it is ours.  An app's own trigger on its jobs that called the
-- replaced function calls this one from then on: there it does nothing.
-- Locks: a row lock on the request that it queues.  Errors: none; a WARNING.
create or replace function minutehand.install_direct() returns void
language plpgsql set search_path = '' as $install$
declare
  v_role text;
begin
  execute $create$
    create or replace function public.handle_job_automation_triggers_direct() returns trigger
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp set lock_timeout = '250ms' as $$
    declare
      v_blocked boolean := current_setting('minutehand.direct_blocked', true) = 'yes';
    begin
      -- Only our own table's owner can have made a trigger there: to nobody else's argument is the token ever shown.
      if tg_table_schema <> 'public' or tg_table_name <> 'automation_execution_logs' or tg_nargs <> 1 then
        return case when tg_op = 'DELETE' then old else new end;
      end if;
      begin
        if tg_when = 'BEFORE' then
          if v_blocked or new.entity_order is not null then  -- what has a line to wait in, the sweep begins
            return new;
          end if;
          return minutehand.direct_begin(new);
        elsif v_blocked then
          perform minutehand.direct_undo(new.id);
        else
          perform minutehand.direct_call(tg_argv[0]::jsonb, new);
        end if;
      exception when others then
        if current_setting('minutehand.direct_warned', true) is distinct from 'yes' then
          raise warning 'minutehand: nobody was called for a new execution: %', sqlerrm
            using hint = 'The next tick runs it.  Run: minutehand direct status';
          perform set_config('minutehand.direct_warned', 'yes', true);
        end if;
        if sqlstate = '55P03' then
          perform set_config('minutehand.direct_blocked', 'yes', true);
        end if;
        if tg_when = 'AFTER' then
          begin
            perform minutehand.direct_undo(new.id);
          exception when others then
            null;  -- it stays under its lease, and a tick takes it after that
          end;
        end if;
      end;
      return new;
    end
    $$
  $create$;
  comment on function public.handle_job_automation_triggers_direct() is
    'minutehand: calls the executor for each new execution';
  -- Who could make a trigger of it, could have its code run as us.  (For the rest, grants.sql says the same.)
  revoke all on function public.handle_job_automation_triggers_direct() from public;
  for v_role in select rolname from pg_catalog.pg_roles where rolname in ('anon', 'authenticated', 'service_role') loop
    execute format('revoke all on function public.handle_job_automation_triggers_direct() from %I', v_role);
  end loop;
end
$install$;

do $$
begin
  if minutehand.direct_function() = 'ours' then
    perform minutehand.install_direct();
  end if;
end
$$;
