-- A database at schema 7 (migrations 0001 to 0007, before they were folded into one), where an app's own automation_workflows, automation_execution_logs and communication_logs were adopted (tests/adopted.py).
-- Written by pg_dump 15 with --inserts --no-owner.  Bodies of functions are cut, since an upgrade replaces all of them.
SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
CREATE SCHEMA auth;
CREATE SCHEMA minutehand;
CREATE FUNCTION auth.uid() RETURNS uuid
    LANGUAGE sql STABLE
    AS $$ select nullif(current_setting('request.jwt.claim.sub', true), '')::uuid $$;
CREATE FUNCTION minutehand.adopt_claimed(p_claimed uuid[], p_now timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS 'cut';
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE public.automation_execution_logs (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    workflow_id uuid,
    automation_id uuid,
    organization_id uuid,
    trigger_type text NOT NULL,
    trigger_data json,
    status text NOT NULL,
    actions_executed json,
    error_message text,
    details json,
    started_at timestamp with time zone,
    completed_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now(),
    resume_at timestamp with time zone,
    execution_time_ms integer,
    event_id bigint,
    user_id text,
    entity_id text,
    attempt integer DEFAULT 0,
    max_attempts integer,
    lost_leases integer DEFAULT 0,
    scheduled_at timestamp with time zone,
    lease_token uuid,
    lease_expires_at timestamp with time zone,
    worker text,
    code text,
    reason text,
    resume_step text,
    caused_by uuid,
    chain_depth integer DEFAULT 0,
    workflow_version integer,
    replay_of uuid,
    resends jsonb,
    entity_order text,
    claimed_at timestamp with time zone,
    past jsonb,
    CONSTRAINT automation_execution_logs_status_check CHECK (((status = ANY (ARRAY['pending'::text, 'running'::text, 'processing'::text, 'completed'::text, 'failed'::text, 'expired'::text, 'cancelled'::text, 'paused'::text, 'delayed'::text, 'started'::text])) OR ((status = 'skipped'::text) AND true))),
    CONSTRAINT ended_after_its_start CHECK (((completed_at IS NULL) OR (started_at IS NULL) OR (completed_at >= started_at)))
)
WITH (autovacuum_vacuum_threshold='1000', autovacuum_vacuum_scale_factor='0.01');
CREATE FUNCTION minutehand.adopt_one(p_log public.automation_execution_logs, p_now timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.advance(p_items jsonb, p_now timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.app_functions() RETURNS TABLE(oid oid, name text, writes boolean, calls boolean)
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.append_steps(p_steps jsonb, p_now timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.as_list(p_text text) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.backoff(p_attempt integer) RETURNS interval
    LANGUAGE sql
    AS 'cut';
CREATE FUNCTION minutehand.begin_hold(p_seconds integer, p_now timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.behind_since(p_now timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.breaker(p_settings jsonb, OUT n integer, OUT per interval) RETURNS record
    LANGUAGE plpgsql IMMUTABLE
    AS 'cut';
CREATE TABLE public.automation_events (
    id bigint NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    table_name text NOT NULL,
    operation text NOT NULL,
    types text[] NOT NULL,
    entity_id text,
    user_id text,
    organization_id text,
    old jsonb,
    new jsonb,
    cause uuid,
    dedupe_key text,
    matched_at timestamp with time zone,
    match_attempts integer DEFAULT 0 NOT NULL,
    match_after timestamp with time zone,
    error text
)
WITH (autovacuum_vacuum_threshold='1000', autovacuum_vacuum_scale_factor='0.02');
CREATE TABLE public.automation_workflows (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    user_id uuid NOT NULL,
    organization_id uuid NOT NULL,
    name text NOT NULL,
    description text,
    status text,
    is_active boolean,
    enabled boolean,
    category text,
    trigger_type text,
    trigger_config json,
    trigger_conditions json,
    steps json,
    template_config json,
    settings json DEFAULT '{}'::json,
    delivery_window json,
    execution_count integer DEFAULT 0,
    last_executed_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now(),
    updated_at timestamp with time zone DEFAULT now(),
    version integer,
    CONSTRAINT automation_workflows_status_check CHECK ((status = ANY (ARRAY['active'::text, 'inactive'::text, 'draft'::text, 'paused'::text])))
);
CREATE FUNCTION minutehand.candidates(p_event public.automation_events, p_single_tenant boolean) RETURNS public.automation_workflows[]
    LANGUAGE plpgsql STABLE
    AS 'cut';
CREATE FUNCTION minutehand.cannot_fire(p_workflow public.automation_workflows) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.capture(p_config jsonb, p_table text, p_operation text, p_old jsonb, p_new jsonb) RETURNS void
    LANGUAGE plpgsql
    AS 'cut';
CREATE FUNCTION minutehand.cause() RETURNS uuid
    LANGUAGE plpgsql STABLE
    AS 'cut';
CREATE FUNCTION minutehand.chain(p_event public.automation_events, p_workflow_id uuid, p_config jsonb, OUT depth integer, OUT reason text) RETURNS record
    LANGUAGE plpgsql STABLE
    AS 'cut';
CREATE FUNCTION minutehand.check_direct(p_url text, p_timeout_ms integer) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.claimed(p_token uuid, p_now timestamp with time zone) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.clock() RETURNS timestamp with time zone
    LANGUAGE sql STABLE
    AS 'cut';
CREATE FUNCTION minutehand.compared(p_a jsonb, p_b jsonb) RETURNS integer
    LANGUAGE plpgsql IMMUTABLE
    AS 'cut';
CREATE FUNCTION minutehand.condition_problem(p_conditions jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS 'cut';
CREATE FUNCTION minutehand.conditions(p_trigger_config jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    AS 'cut';
CREATE FUNCTION minutehand.conditions_of(p_row jsonb, p_status text) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE
    AS 'cut';
CREATE FUNCTION minutehand.confirm(p_sends jsonb, p_now timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.context(p_items jsonb, p_now timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    SET plan_cache_mode TO 'force_generic_plan'
    SET random_page_cost TO '1.1'
    AS 'cut';
CREATE FUNCTION minutehand.count_due(p_cap integer, p_now timestamp with time zone) RETURNS integer
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE TABLE public.automation_limits (
    scope text NOT NULL,
    tenant text DEFAULT ''::text NOT NULL,
    channel text DEFAULT ''::text NOT NULL,
    n integer NOT NULL,
    per interval NOT NULL,
    on_exceed text DEFAULT 'delay'::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT automation_limits_n_check CHECK (((n >= 0) AND (n <= 1000000))),
    CONSTRAINT automation_limits_on_exceed_check CHECK ((on_exceed = ANY (ARRAY['delay'::text, 'drop'::text]))),
    CONSTRAINT automation_limits_per_check CHECK (((per > '00:00:00'::interval) AND (per <= '366 days'::interval))),
    CONSTRAINT automation_limits_scope_check CHECK ((scope = ANY (ARRAY['recipient'::text, 'tenant'::text])))
);
CREATE FUNCTION minutehand.counted(p_limit public.automation_limits, p_recipient text) RETURNS SETOF text
    LANGUAGE sql IMMUTABLE ROWS 2
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.cron_jobs() RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.decide(p_workflow public.automation_workflows, p_event public.automation_events, p_config jsonb, p_new jsonb, p_old jsonb) RETURNS boolean
    LANGUAGE plpgsql
    AS 'cut';
CREATE FUNCTION minutehand.definition(p_workflow jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    AS 'cut';
CREATE FUNCTION minutehand.described(p_normal jsonb, p_new jsonb, p_old jsonb, p_status_column text) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE
    AS 'cut';
CREATE FUNCTION minutehand.direct() RETURNS jsonb
    LANGUAGE sql STABLE
    AS 'cut';
CREATE FUNCTION minutehand.direct_begun(p_log public.automation_execution_logs) RETURNS public.automation_execution_logs
    LANGUAGE plpgsql
    AS 'cut';
CREATE FUNCTION minutehand.direct_call(p_config jsonb, p_log public.automation_execution_logs) RETURNS void
    LANGUAGE plpgsql
    AS 'cut';
CREATE FUNCTION minutehand.direct_call_now(p_config jsonb, p_id uuid) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.direct_context(p_log public.automation_execution_logs) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    AS 'cut';
CREATE FUNCTION minutehand.direct_function() RETURNS text
    LANGUAGE sql STABLE
    AS 'cut';
CREATE FUNCTION minutehand.direct_token() RETURNS text
    LANGUAGE plpgsql STABLE
    AS 'cut';
CREATE FUNCTION minutehand.direct_undo(p_id uuid) RETURNS void
    LANGUAGE sql
    AS 'cut';
CREATE FUNCTION minutehand.direct_used_by() RETURNS text[]
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.end_at_claim(p_claimed uuid[], p_now timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.end_of(p_recorded jsonb, p_was text, p_error text, OUT status text, OUT code text, OUT reason text) RETURNS record
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.end_unreadable(p_claimed uuid[], p_now timestamp with time zone) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.ended(p_claimed uuid[]) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.enter_app_path() RETURNS trigger
    LANGUAGE plpgsql
    AS 'cut';
CREATE FUNCTION minutehand.entity_of(p_data jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS 'cut';
CREATE FUNCTION minutehand.evaluate(p_conditions jsonb, p_new jsonb, p_old jsonb, p_status_column text DEFAULT 'status'::text) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE
    AS 'cut';
CREATE FUNCTION minutehand.exceeded(p_tenant text, p_channel text, p_recipient text, p_key text, p_now timestamp with time zone, OUT code text, OUT until timestamp with time zone, OUT reason text, OUT is_delayed boolean) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.excerpt(p_value jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    AS 'cut';
CREATE FUNCTION minutehand.facts_columns(p_now timestamp with time zone) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.facts_direct(p_now timestamp with time zone) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.facts_functions(p_now timestamp with time zone) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.facts_grants(p_now timestamp with time zone) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.facts_of_workflow(p_workflow public.automation_workflows, p_words jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.facts_processors(p_now timestamp with time zone) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.facts_queue(p_now timestamp with time zone) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    AS 'cut';
CREATE FUNCTION minutehand.facts_schema(p_now timestamp with time zone) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.facts_triggers(p_now timestamp with time zone) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.facts_vacuum(p_now timestamp with time zone) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.facts_workflows(p_now timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.figures_of(p_tenant text, p_now timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    AS 'cut';
CREATE FUNCTION minutehand.filter_of(p_filter jsonb) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.find_row(p_workflow public.automation_workflows, p_table text, p_row text) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.find_table(p_table text) RETURNS regclass
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.find_workflow(p_workflow text) RETURNS public.automation_workflows
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.first_argument(p_arguments bytea) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS 'cut';
CREATE FUNCTION minutehand.first_event_since(p_time timestamp with time zone) RETURNS bigint
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.fold(p_text text) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS 'cut';
CREATE FUNCTION minutehand.has_item(p_list jsonb, p_value jsonb, p_is_status boolean) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE
    AS 'cut';
CREATE FUNCTION minutehand.has_record(p_recorded jsonb, p_step jsonb) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    AS 'cut';
CREATE FUNCTION minutehand.heads(p_stop timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS TABLE(tenant text, due timestamp with time zone)
    LANGUAGE sql STABLE
    AS 'cut';
CREATE FUNCTION minutehand.hearing(p_type text) RETURNS TABLE(type text, status text, word text)
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.held_steps(p_workflow public.automation_workflows) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.hint() RETURNS void
    LANGUAGE plpgsql
    AS 'cut';
CREATE FUNCTION minutehand.hold_backlog(p_limit integer, p_now timestamp with time zone, OUT held integer, OUT holding boolean) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.hold_line(p_ids uuid[], p_before timestamp with time zone, p_limit integer) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS 'cut';
CREATE FUNCTION minutehand.holds(p_conditions jsonb, p_new jsonb, p_old jsonb, p_status_column text DEFAULT 'status'::text) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE
    AS 'cut';
CREATE FUNCTION minutehand.ids_of(p_items jsonb) RETURNS uuid[]
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.in_turn(p_ids uuid[], p_taken uuid[], p_now timestamp with time zone) RETURNS uuid[]
    LANGUAGE plpgsql
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS 'cut';
CREATE FUNCTION minutehand.in_words(p_interval interval) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET "IntervalStyle" TO 'postgres_verbose'
    AS 'cut';
CREATE FUNCTION minutehand.install_direct() RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.instant(p_text text) RETURNS timestamp with time zone
    LANGUAGE plpgsql IMMUTABLE
    AS 'cut';
CREATE FUNCTION minutehand.is_json(p_text text) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.is_normal_leaf(p_node jsonb) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    AS 'cut';
CREATE FUNCTION minutehand.is_number(p_text text) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    AS 'cut';
CREATE FUNCTION minutehand.is_on(p_workflow public.automation_workflows) RETURNS boolean
    LANGUAGE plpgsql STABLE
    AS 'cut';
CREATE FUNCTION minutehand.is_open(p_tenant text, p_workflow_id uuid, p_lost_leases integer, p_tenants text[], p_workflows text[]) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    AS 'cut';
CREATE FUNCTION minutehand.is_passing(p_sqlstate text) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    AS 'cut';
CREATE FUNCTION minutehand.is_paused(p_organization_id text, p_user_id text, p_workflow_id uuid) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.is_row_on(p_row jsonb) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE
    AS 'cut';
CREATE FUNCTION minutehand.judge(p_share double precision, p_age interval, p_now timestamp with time zone) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.judged(p_leaf jsonb, p_new jsonb, p_old jsonb, p_status_column text, OUT actual jsonb, OUT was jsonb, OUT held boolean, OUT problem text) RETURNS record
    LANGUAGE plpgsql IMMUTABLE
    AS 'cut';
CREATE FUNCTION minutehand.keep_version() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '250ms'
    AS 'cut';
CREATE FUNCTION minutehand.label(p_schema text, p_table text) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS 'cut';
CREATE FUNCTION minutehand.leave_app_path() RETURNS trigger
    LANGUAGE plpgsql
    AS 'cut';
CREATE FUNCTION minutehand.limit_answer(p_send jsonb, p_now timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.limit_key(p_workflow_id uuid, p_entity_id text) RETURNS bigint
    LANGUAGE sql IMMUTABLE
    AS 'cut';
CREATE FUNCTION minutehand.limited(p_workflow_id uuid, p_settings jsonb, p_entity_id text, p_new_status text, p_at timestamp with time zone, OUT until timestamp with time zone, OUT delay boolean, OUT reason text) RETURNS record
    LANGUAGE plpgsql STABLE
    AS 'cut';
CREATE FUNCTION minutehand.limits_for(p_tenant text, p_channel text) RETURNS SETOF public.automation_limits
    LANGUAGE sql STABLE ROWS 4
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.line_key(p_entity_id text, p_workflow_id uuid) RETURNS bigint
    LANGUAGE sql IMMUTABLE
    AS 'cut';
CREATE FUNCTION minutehand.line_keys(p_ids uuid[]) RETURNS bigint[]
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.lines() RETURNS TABLE(entity text, workflow_id uuid, part integer, event_id bigint, created_at timestamp with time zone, id uuid, code text)
    LANGUAGE sql STABLE
    AS 'cut';
CREATE FUNCTION minutehand.links(p_relation oid, p_configured jsonb) RETURNS TABLE(name text, link_column text, target oid, target_column text, same_type boolean)
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.lint_facts(p_workflow public.automation_workflows) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.listed(p_log public.automation_execution_logs, p_workflow text) RETURNS jsonb
    LANGUAGE sql STABLE
    AS 'cut';
CREATE FUNCTION minutehand.lock_limits(p_sends jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.lock_lines(p_items jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS 'cut';
CREATE FUNCTION minutehand.looked_back_to(p_filter jsonb, p_before timestamp with time zone, p_rows integer) RETURNS timestamp with time zone
    LANGUAGE sql STABLE
    AS 'cut';
CREATE FUNCTION minutehand.match_event(p_event public.automation_events, p_config jsonb, p_deadline timestamp with time zone, p_isolate boolean, OUT problem text, OUT passing boolean) RETURNS record
    LANGUAGE plpgsql
    AS 'cut';
CREATE FUNCTION minutehand.match_now(p_event public.automation_events, p_config jsonb) RETURNS void
    LANGUAGE plpgsql
    AS 'cut';
CREATE FUNCTION minutehand.meets(p_log public.automation_execution_logs, p_filter jsonb) RETURNS boolean
    LANGUAGE sql STABLE
    AS 'cut';
CREATE FUNCTION minutehand.message(p_reason text) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS 'cut';
CREATE FUNCTION minutehand.my_organization() RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.my_user() RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.named_ids(p_filter jsonb) RETURNS uuid[]
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.narrow_checks() RETURNS TABLE(table_name text, name text, condition text, options text)
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.need_column(p_relation regclass, p_column text) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.new_id() RETURNS uuid
    LANGUAGE sql PARALLEL SAFE
    AS $$
        select encode(
          set_bit(set_bit(
            overlay(uuid_send(gen_random_uuid())
                    placing substring(int8send((extract(epoch from clock_timestamp()) * 1000)::bigint) from 3)
                    from 1 for 6),
            52, 1), 53, 1), 'hex')::uuid
      $$;
CREATE FUNCTION minutehand.new_status_of(p_data jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS 'cut';
CREATE FUNCTION minutehand.newest_executions() RETURNS SETOF public.automation_execution_logs
    LANGUAGE sql STABLE
    AS 'cut';
CREATE FUNCTION minutehand.normal_conditions(p_node jsonb, p_depth integer DEFAULT 0) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE
    AS 'cut';
CREATE FUNCTION minutehand.normal_leaf(p_node jsonb) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE
    AS 'cut';
CREATE FUNCTION minutehand.note(p_steps jsonb, p_now timestamp with time zone) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.note_installed() RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.note_sends(p_steps jsonb, p_now timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.number_version() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '250ms'
    AS 'cut';
CREATE FUNCTION minutehand.of_a_day(p_tenant text, p_now timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.order_of(p_settings jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS 'cut';
CREATE FUNCTION minutehand.order_problem(p_settings jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS 'cut';
CREATE FUNCTION minutehand.organization_of(p_row jsonb, p_config jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS 'cut';
CREATE FUNCTION minutehand.own_columns() RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    AS 'cut';
CREATE FUNCTION minutehand.own_functions() RETURNS SETOF pg_proc
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.own_tables() RETURNS TABLE(name text, relation regclass)
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.parts(p_items jsonb, p_name text) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.pause_subject(p_scope text, p_target text) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.pending_of(p_scope text, p_target text) RETURNS integer
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.percentiles(p_values double precision[]) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.promote(p_items jsonb, p_now timestamp with time zone, p_locked boolean) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS 'cut';
CREATE FUNCTION minutehand.prune(p_limit integer, p_now timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.rate_limit(p_settings jsonb, OUT n integer, OUT per interval, OUT delay boolean) RETURNS record
    LANGUAGE plpgsql IMMUTABLE
    AS 'cut';
CREATE FUNCTION minutehand.read_rows(p_relation oid, p_config jsonb, p_keys text[]) RETURNS TABLE(key text, found jsonb, links jsonb)
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.recent_figures(p_now timestamp with time zone) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.refuse_missing_columns(p_workflow public.automation_workflows) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.refuse_unknown_columns(p_workflow jsonb) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.remember(p_past jsonb, p_what text, p_began timestamp with time zone, p_at timestamp with time zone, p_said jsonb) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.remember_end(p_log public.automation_execution_logs, p_by text, p_now timestamp with time zone) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.reserve(p_sends jsonb, p_now timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.reserve_all(p_sends jsonb, p_now timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.resolution(p_step text, p_as text) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.return_lost_leases(p_limit integer, p_now timestamp with time zone) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.room_at(p_limit public.automation_limits, p_tenant text, p_address text, p_key text, p_now timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE plpgsql
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.row_of(p_workflow public.automation_workflows) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    AS 'cut';
CREATE FUNCTION minutehand.same(p_a jsonb, p_b jsonb, p_is_status boolean) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    AS 'cut';
CREATE FUNCTION minutehand.same_tenant(p_row_organization_id text, p_row_user_id text, p_organization_id text, p_user_id text) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    AS 'cut';
CREATE FUNCTION minutehand.saved_before(p_workflow jsonb) RETURNS public.automation_workflows
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.seconds_to_next(p_now timestamp with time zone) RETURNS numeric
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.seconds_until(p_time timestamp with time zone, p_now timestamp with time zone) RETURNS numeric
    LANGUAGE sql STABLE
    AS 'cut';
CREATE TABLE public.communication_logs (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    user_id uuid NOT NULL,
    client_id text,
    job_id text,
    type character varying(20) NOT NULL,
    direction text NOT NULL,
    status text NOT NULL,
    from_address text NOT NULL,
    to_address text NOT NULL,
    subject text,
    content text,
    metadata json,
    error_message text,
    external_id text,
    idempotency_key text,
    recipient text,
    created_at timestamp with time zone DEFAULT now(),
    sent_at timestamp with time zone,
    execution_id uuid,
    step text,
    channel text,
    lease_token uuid,
    organization_id text,
    reserved_at timestamp with time zone,
    CONSTRAINT communication_logs_direction_check CHECK ((direction = ANY (ARRAY['inbound'::text, 'outbound'::text]))),
    CONSTRAINT communication_logs_status_check CHECK (((status = ANY (ARRAY['pending'::text, 'sent'::text, 'failed'::text, 'delivered'::text])) OR (status = ANY (ARRAY['reserved'::text, 'sent'::text, 'failed'::text, 'uncertain'::text, 'simulated'::text])))),
    CONSTRAINT communication_logs_type_check CHECK ((((type)::text = ANY (ARRAY[('sms'::character varying)::text, ('email'::character varying)::text, ('voice'::character varying)::text])) OR ((type)::text = ANY ((ARRAY['email'::character varying, 'sms'::character varying, 'webhook'::character varying, 'function'::character varying, 'notify'::character varying])::text[]))))
)
WITH (autovacuum_vacuum_threshold='1000', autovacuum_vacuum_scale_factor='0.01');
CREATE FUNCTION minutehand.send_row(p_key text, p_execution_id uuid, p_step text, p_channel text, p_recipient text, p_sender text, p_token uuid, p_user_id text, p_organization_id text) RETURNS public.communication_logs
    LANGUAGE sql STABLE
    AS 'cut';
CREATE FUNCTION minutehand.series(p_from timestamp with time zone, p_to timestamp with time zone, p_seconds integer, p_tenant text) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.set_direct_token(p_token text) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.set_direct_triggers(p_config jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.settle(p_outcomes jsonb, p_now timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO ''
    SET plan_cache_mode TO 'force_generic_plan'
    SET random_page_cost TO '1.1'
    AS 'cut';
CREATE FUNCTION minutehand.shares(p_limit integer, p_now timestamp with time zone) RETURNS uuid[]
    LANGUAGE plpgsql
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.shown(p_step jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    AS 'cut';
CREATE FUNCTION minutehand.shown_limit(p_limit public.automation_limits) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.singular(p_name text) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS 'cut';
CREATE FUNCTION minutehand.slug(p_text text) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS 'cut';
CREATE FUNCTION minutehand.something(p_value jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    AS 'cut';
CREATE FUNCTION minutehand.start_execution(p_workflow public.automation_workflows, p_event public.automation_events, p_config jsonb, p_new_status text, p_old_status text) RETURNS void
    LANGUAGE plpgsql
    AS 'cut';
CREATE FUNCTION minutehand.starts(p_from timestamp with time zone, p_to timestamp with time zone) RETURNS TABLE(workflow_id uuid, starts bigint)
    LANGUAGE sql STABLE
    AS 'cut';
CREATE FUNCTION minutehand.state_after(p_ended text, p_steps jsonb, p_code text, p_reason text, p_more boolean, p_retry_after_seconds numeric, p_resume_step text, p_on_uncertain text, p_due_in_seconds numeric, p_recorded jsonb, p_attempt integer, p_max_attempts integer, p_was text, p_error text, p_now timestamp with time zone, OUT status text, OUT code text, OUT reason text, OUT attempt integer, OUT recorded jsonb, OUT resume_step text, OUT due timestamp with time zone) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.status_leaves(p_config jsonb, p_status text) RETURNS SETOF jsonb
    LANGUAGE sql IMMUTABLE
    AS 'cut';
CREATE FUNCTION minutehand.status_words(p_relation regclass, p_config jsonb) RETURNS text[]
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.steps_problem(p_row jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS 'cut';
CREATE FUNCTION minutehand.stop_of(p_log public.automation_execution_logs, p_workflow public.automation_workflows, p_operation text, p_row jsonb, p_config jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.stops(p_workflow public.automation_workflows, p_entity_id text, p_new_status text, p_conditions jsonb, p_now timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.subject(p_log public.automation_execution_logs) RETURNS jsonb
    LANGUAGE sql STABLE
    AS 'cut';
CREATE FUNCTION minutehand.suspects(p_limit integer, p_now timestamp with time zone) RETURNS uuid[]
    LANGUAGE sql
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.switches(p_workflow public.automation_workflows) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.table_of(p_data jsonb) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.table_of_type(p_type text) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.take(p_token uuid, p_limit integer, p_worker text, p_lease_seconds integer, p_max_attempts integer, p_ids jsonb, p_alone boolean, p_now timestamp with time zone) RETURNS uuid[]
    LANGUAGE plpgsql
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.tenant(p_organization_id text, p_user_id text) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS 'cut';
CREATE FUNCTION minutehand.tenant_column(p_relation regclass, p_asked text) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.tenant_of(p_log public.automation_execution_logs) RETURNS text
    LANGUAGE sql STABLE
    AS 'cut';
CREATE FUNCTION minutehand.tenants_due(p_limit integer, p_now timestamp with time zone) RETURNS text[]
    LANGUAGE sql
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.to_interval(p_text text) RETURNS interval
    LANGUAGE plpgsql IMMUTABLE
    AS 'cut';
CREATE TABLE public.automation_incidents (
    id uuid DEFAULT minutehand.new_id() NOT NULL,
    kind text NOT NULL,
    subject text DEFAULT ''::text NOT NULL,
    code text DEFAULT ''::text NOT NULL,
    opened_at timestamp with time zone NOT NULL,
    seen_at timestamp with time zone NOT NULL,
    recovered_at timestamp with time zone,
    count bigint DEFAULT 1 NOT NULL,
    summary text NOT NULL,
    sample text,
    told text,
    told_at timestamp with time zone,
    telling uuid,
    telling_until timestamp with time zone,
    CONSTRAINT automation_incidents_told_check CHECK ((told = ANY (ARRAY['opened'::text, 'updated'::text, 'recovered'::text])))
);
CREATE FUNCTION minutehand.to_tell(p_incident public.automation_incidents, p_now timestamp with time zone) RETURNS text
    LANGUAGE sql STABLE
    AS 'cut';
CREATE FUNCTION minutehand.to_uuid(p_text text) RETURNS uuid
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.trigger_steps(p_row jsonb) RETURNS SETOF jsonb
    LANGUAGE sql IMMUTABLE
    AS 'cut';
CREATE FUNCTION minutehand.trip_breakers(p_now timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.troubles(p_share double precision, p_age interval, p_now timestamp with time zone) RETURNS TABLE(kind text, subject text, code text, count bigint, summary text, sample text)
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.type_of(p_relation oid, p_column text) RETURNS text
    LANGUAGE sql STABLE
    AS 'cut';
CREATE FUNCTION minutehand.unmatched_before(p_entity text, p_workflow_id uuid, p_event_id bigint) RETURNS bigint
    LANGUAGE sql STABLE
    AS 'cut';
CREATE FUNCTION minutehand.unmatched_words(p_workflow public.automation_workflows, p_words jsonb) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.verdict(p_normal jsonb, p_new jsonb, p_old jsonb, p_status_column text) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE
    AS 'cut';
CREATE FUNCTION minutehand.waits_for(p_log public.automation_execution_logs, p_now timestamp with time zone) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.wanted_words(p_conditions jsonb, p_status text) RETURNS SETOF text
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.why_not_writable(p_relation oid, p_config jsonb, p_table text, p_operation text, p_values jsonb, p_log public.automation_execution_logs) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.widen_checks() RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.with_records(p_recorded jsonb, p_steps jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.words_of(p_recorded jsonb, p_undone jsonpath, OUT code text, OUT reason text) RETURNS record
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.workflow_card(p_workflow public.automation_workflows) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.workflow_problem(p_workflow public.automation_workflows) RETURNS text
    LANGUAGE plpgsql STABLE
    AS 'cut';
CREATE FUNCTION minutehand.write_row(p_relation oid, p_config jsonb, p_operation text, p_id text, p_values jsonb, p_log public.automation_execution_logs) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION minutehand.write_workflow(p_old public.automation_workflows, p_workflow jsonb, p_changed text[], p_now timestamp with time zone) RETURNS public.automation_workflows
    LANGUAGE plpgsql
    SET search_path TO ''
    AS 'cut';
CREATE FUNCTION public.automation_advance(p_items jsonb, p_now timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS 'cut';
COMMENT ON FUNCTION public.automation_advance(p_items jsonb, p_now timestamp with time zone) IS 'minutehand: records a step, looks anew, reserves the next send';
CREATE FUNCTION public.automation_alerts_take(p_token uuid, p_share double precision DEFAULT 0.2, p_age_seconds bigint DEFAULT 600, p_now timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS 'cut';
COMMENT ON FUNCTION public.automation_alerts_take(p_token uuid, p_share double precision, p_age_seconds bigint, p_now timestamp with time zone) IS 'minutehand: looks for trouble, and hands out what is to be told';
CREATE FUNCTION public.automation_alerts_told(p_token uuid, p_told jsonb, p_now timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS 'cut';
COMMENT ON FUNCTION public.automation_alerts_told(p_token uuid, p_told jsonb, p_now timestamp with time zone) IS 'minutehand: these alerts were told';
CREATE FUNCTION public.automation_begin_calls(p_items jsonb, p_now timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS 'cut';
COMMENT ON FUNCTION public.automation_begin_calls(p_items jsonb, p_now timestamp with time zone) IS 'minutehand: notes that executions are handed over, and looks once more';
CREATE FUNCTION public.automation_cancel(p_ids jsonb, p_reason text DEFAULT NULL::text, p_now timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS 'cut';
COMMENT ON FUNCTION public.automation_cancel(p_ids jsonb, p_reason text, p_now timestamp with time zone) IS 'minutehand: ends pending or processing executions';
CREATE FUNCTION public.automation_capture() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '250ms'
    SET plan_cache_mode TO 'force_generic_plan'
    AS 'cut';
COMMENT ON FUNCTION public.automation_capture() IS 'minutehand: records each change of a watched table';
CREATE FUNCTION public.automation_claim(p_token uuid, p_limit integer DEFAULT 10, p_worker text DEFAULT NULL::text, p_lease_seconds integer DEFAULT 120, p_max_attempts integer DEFAULT 5, p_ids jsonb DEFAULT NULL::jsonb, p_alone boolean DEFAULT false, p_now timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    AS 'cut';
COMMENT ON FUNCTION public.automation_claim(p_token uuid, p_limit integer, p_worker text, p_lease_seconds integer, p_max_attempts integer, p_ids jsonb, p_alone boolean, p_now timestamp with time zone) IS 'minutehand: makes due executions processing under a lease';
CREATE FUNCTION public.automation_confirm_sends(p_sends jsonb, p_now timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS 'cut';
COMMENT ON FUNCTION public.automation_confirm_sends(p_sends jsonb, p_now timestamp with time zone) IS 'minutehand: says how reserved sends ended';
CREATE FUNCTION public.automation_context(p_items jsonb, p_now timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS jsonb
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS 'cut';
COMMENT ON FUNCTION public.automation_context(p_items jsonb, p_now timestamp with time zone) IS 'minutehand: the rows an execution is about, read fresh';
CREATE FUNCTION public.automation_count(p_filter jsonb DEFAULT '{}'::jsonb, p_cap integer DEFAULT 10000) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    SET plan_cache_mode TO 'force_custom_plan'
    SET jit TO 'off'
    AS 'cut';
COMMENT ON FUNCTION public.automation_count(p_filter jsonb, p_cap integer) IS 'minutehand: how many executions are meant';
CREATE FUNCTION public.automation_direct_off() RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET lock_timeout TO '3s'
    AS 'cut';
COMMENT ON FUNCTION public.automation_direct_off() IS 'minutehand: calls nobody any more';
CREATE FUNCTION public.automation_direct_on(p_url text, p_token text DEFAULT NULL::text, p_timeout_ms integer DEFAULT 5000, p_no_claim boolean DEFAULT false, p_replace boolean DEFAULT false) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET lock_timeout TO '3s'
    AS 'cut';
COMMENT ON FUNCTION public.automation_direct_on(p_url text, p_token text, p_timeout_ms integer, p_no_claim boolean, p_replace boolean) IS 'minutehand: calls an executor for each new execution';
CREATE FUNCTION public.automation_direct_rotate(p_token text DEFAULT NULL::text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS 'cut';
COMMENT ON FUNCTION public.automation_direct_rotate(p_token text) IS 'minutehand: puts a new token for direct mode into Vault';
CREATE FUNCTION public.automation_direct_status() RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS 'cut';
COMMENT ON FUNCTION public.automation_direct_status() IS 'minutehand: says whether the database calls, and what it lacks';
CREATE FUNCTION public.automation_direct_sweep(p_limit integer DEFAULT 10, p_hold_seconds integer DEFAULT 3600, p_now timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    AS 'cut';
COMMENT ON FUNCTION public.automation_direct_sweep(p_limit integer, p_hold_seconds integer, p_now timestamp with time zone) IS 'minutehand: the minute of direct mode, from within the database';
CREATE FUNCTION public.automation_doctor(p_now timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    SET lock_timeout TO '2s'
    SET jit TO 'off'
    AS 'cut';
COMMENT ON FUNCTION public.automation_doctor(p_now timestamp with time zone) IS 'minutehand: the facts that doctor judges';
CREATE FUNCTION public.automation_enqueue(p_workflow text, p_row text DEFAULT NULL::text, p_payload jsonb DEFAULT NULL::jsonb, p_at timestamp with time zone DEFAULT NULL::timestamp with time zone, p_key text DEFAULT NULL::text, p_dry_run boolean DEFAULT false, p_now timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS 'cut';
COMMENT ON FUNCTION public.automation_enqueue(p_workflow text, p_row text, p_payload jsonb, p_at timestamp with time zone, p_key text, p_dry_run boolean, p_now timestamp with time zone) IS 'minutehand: starts a workflow by hand';
CREATE FUNCTION public.automation_evaluate(p_conditions jsonb, p_new jsonb, p_old jsonb DEFAULT NULL::jsonb, p_status_column text DEFAULT 'status'::text) RETURNS jsonb
    LANGUAGE sql IMMUTABLE SECURITY DEFINER
    SET search_path TO ''
    AS 'cut';
COMMENT ON FUNCTION public.automation_evaluate(p_conditions jsonb, p_new jsonb, p_old jsonb, p_status_column text) IS 'minutehand: which conditions hold for a row, and why, as a tree';
CREATE FUNCTION public.automation_execution(p_id text, p_now timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS 'cut';
COMMENT ON FUNCTION public.automation_execution(p_id text, p_now timestamp with time zone) IS 'minutehand: shows one execution';
CREATE FUNCTION public.automation_executions(p_filter jsonb DEFAULT '{}'::jsonb, p_limit integer DEFAULT 50) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    SET plan_cache_mode TO 'force_custom_plan'
    AS 'cut';
COMMENT ON FUNCTION public.automation_executions(p_filter jsonb, p_limit integer) IS 'minutehand: lists executions, newest first';
CREATE FUNCTION public.automation_failures(p_filter jsonb DEFAULT '{}'::jsonb, p_limit integer DEFAULT 50, p_now timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    SET plan_cache_mode TO 'force_custom_plan'
    SET jit TO 'off'
    AS 'cut';
COMMENT ON FUNCTION public.automation_failures(p_filter jsonb, p_limit integer, p_now timestamp with time zone) IS 'minutehand: what failed, in groups';
CREATE FUNCTION public.automation_incidents(p_all boolean DEFAULT false, p_limit integer DEFAULT 100) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS 'cut';
COMMENT ON FUNCTION public.automation_incidents(p_all boolean, p_limit integer) IS 'minutehand: what is wrong, and what was';
CREATE FUNCTION public.automation_limit_set(p_scope text, p_n integer DEFAULT NULL::integer, p_per text DEFAULT '1 day'::text, p_channel text DEFAULT ''::text, p_tenant text DEFAULT ''::text, p_on_exceed text DEFAULT 'delay'::text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS 'cut';
COMMENT ON FUNCTION public.automation_limit_set(p_scope text, p_n integer, p_per text, p_channel text, p_tenant text, p_on_exceed text) IS 'minutehand: sets or removes a limit of sends';
CREATE FUNCTION public.automation_limits() RETURNS jsonb
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS 'cut';
COMMENT ON FUNCTION public.automation_limits() IS 'minutehand: lists the limits of sends';
CREATE FUNCTION public.automation_match_events(p_limit integer DEFAULT 100, p_now timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS 'cut';
COMMENT ON FUNCTION public.automation_match_events(p_limit integer, p_now timestamp with time zone) IS 'minutehand: matches events that the trigger left unmatched';
CREATE FUNCTION public.automation_metrics(p_steps boolean DEFAULT false, p_now timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS 'cut';
COMMENT ON FUNCTION public.automation_metrics(p_steps boolean, p_now timestamp with time zone) IS 'minutehand: the figures of an operator''s first look';
CREATE FUNCTION public.automation_overview(p_tenant text DEFAULT NULL::text, p_from timestamp with time zone DEFAULT NULL::timestamp with time zone, p_seconds integer DEFAULT 60, p_now timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    SET jit TO 'off'
    AS 'cut';
COMMENT ON FUNCTION public.automation_overview(p_tenant text, p_from timestamp with time zone, p_seconds integer, p_now timestamp with time zone) IS 'minutehand: all that the dashboard''s first page shows';
CREATE FUNCTION public.automation_pause(p_scope text, p_target text DEFAULT NULL::text, p_reason text DEFAULT NULL::text, p_now timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS 'cut';
COMMENT ON FUNCTION public.automation_pause(p_scope text, p_target text, p_reason text, p_now timestamp with time zone) IS 'minutehand: holds everything, a tenant or a workflow';
CREATE FUNCTION public.automation_preview(p_workflow text, p_row text DEFAULT NULL::text, p_payload jsonb DEFAULT NULL::jsonb, p_now timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS 'cut';
COMMENT ON FUNCTION public.automation_preview(p_workflow text, p_row text, p_payload jsonb, p_now timestamp with time zone) IS 'minutehand: what a run of a workflow would see, for a dry run';
CREATE FUNCTION public.automation_prune(p_keep_seconds bigint, p_limit integer DEFAULT 500, p_now timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    AS 'cut';
COMMENT ON FUNCTION public.automation_prune(p_keep_seconds bigint, p_limit integer, p_now timestamp with time zone) IS 'minutehand: deletes old executions, a bite at a time';
CREATE FUNCTION public.automation_record_step(p_steps jsonb, p_now timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS 'cut';
COMMENT ON FUNCTION public.automation_record_step(p_steps jsonb, p_now timestamp with time zone) IS 'minutehand: records finished steps under their leases';
CREATE FUNCTION public.automation_release(p_ids jsonb DEFAULT NULL::jsonb, p_limit integer DEFAULT 5000, p_now timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    AS 'cut';
COMMENT ON FUNCTION public.automation_release(p_ids jsonb, p_limit integer, p_now timestamp with time zone) IS 'minutehand: lets run what was held as stale';
CREATE FUNCTION public.automation_renew(p_tokens jsonb, p_lease_seconds integer DEFAULT 120, p_now timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    AS 'cut';
COMMENT ON FUNCTION public.automation_renew(p_tokens jsonb, p_lease_seconds integer, p_now timestamp with time zone) IS 'minutehand: extends the leases of a worker';
CREATE FUNCTION public.automation_reserve_sends(p_sends jsonb, p_now timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS 'cut';
COMMENT ON FUNCTION public.automation_reserve_sends(p_sends jsonb, p_now timestamp with time zone) IS 'minutehand: writes sends down before they leave';
CREATE FUNCTION public.automation_resolve(p_ids jsonb, p_as text, p_now timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS 'cut';
COMMENT ON FUNCTION public.automation_resolve(p_ids jsonb, p_as text, p_now timestamp with time zone) IS 'minutehand: a person''s word on a send whose fate was unknown';
CREATE FUNCTION public.automation_resume(p_scope text, p_target text DEFAULT NULL::text, p_now timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS 'cut';
COMMENT ON FUNCTION public.automation_resume(p_scope text, p_target text, p_now timestamp with time zone) IS 'minutehand: ends a pause';
CREATE FUNCTION public.automation_retry(p_ids jsonb, p_now timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS 'cut';
COMMENT ON FUNCTION public.automation_retry(p_ids jsonb, p_now timestamp with time zone) IS 'minutehand: a person''s retry of what failed';
CREATE FUNCTION public.automation_schema_version() RETURNS jsonb
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS 'cut';
COMMENT ON FUNCTION public.automation_schema_version() IS 'minutehand: which migrations this database has';
CREATE FUNCTION public.automation_search(p_filter jsonb DEFAULT '{}'::jsonb, p_limit integer DEFAULT 50, p_before jsonb DEFAULT NULL::jsonb, p_rows integer DEFAULT 50000, p_now timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    SET plan_cache_mode TO 'force_custom_plan'
    SET jit TO 'off'
    AS 'cut';
COMMENT ON FUNCTION public.automation_search(p_filter jsonb, p_limit integer, p_before jsonb, p_rows integer, p_now timestamp with time zone) IS 'minutehand: a page of executions, newest first';
CREATE FUNCTION public.automation_settle(p_outcomes jsonb, p_now timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS 'cut';
COMMENT ON FUNCTION public.automation_settle(p_outcomes jsonb, p_now timestamp with time zone) IS 'minutehand: ends executions under their leases';
CREATE FUNCTION public.automation_story(p_id text, p_now timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    SET jit TO 'off'
    AS 'cut';
COMMENT ON FUNCTION public.automation_story(p_id text, p_now timestamp with time zone) IS 'minutehand: one execution, and all that happened around it';
CREATE FUNCTION public.automation_tick(p_worker jsonb DEFAULT NULL::jsonb, p_hold_seconds integer DEFAULT NULL::integer, p_now timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS 'cut';
COMMENT ON FUNCTION public.automation_tick(p_worker jsonb, p_hold_seconds integer, p_now timestamp with time zone) IS 'minutehand: the housekeeping of one beat';
CREATE FUNCTION public.automation_trigger_add(p_table text, p_id text DEFAULT 'id'::text, p_type text DEFAULT NULL::text, p_status text DEFAULT 'status'::text, p_tenant text DEFAULT NULL::text, p_exclude jsonb DEFAULT '[]'::jsonb, p_links jsonb DEFAULT '{}'::jsonb, p_writable boolean DEFAULT false) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET lock_timeout TO '3s'
    AS 'cut';
COMMENT ON FUNCTION public.automation_trigger_add(p_table text, p_id text, p_type text, p_status text, p_tenant text, p_exclude jsonb, p_links jsonb, p_writable boolean) IS 'minutehand: watches a table';
CREATE FUNCTION public.automation_trigger_remove(p_table text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET lock_timeout TO '3s'
    AS 'cut';
COMMENT ON FUNCTION public.automation_trigger_remove(p_table text) IS 'minutehand: stops watching a table';
CREATE FUNCTION public.automation_triggers() RETURNS jsonb
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS 'cut';
COMMENT ON FUNCTION public.automation_triggers() IS 'minutehand: the watched tables';
CREATE FUNCTION public.automation_workflow_list(p_filter jsonb DEFAULT '{}'::jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS 'cut';
COMMENT ON FUNCTION public.automation_workflow_list(p_filter jsonb) IS 'minutehand: lists the workflows, and how they stand';
CREATE FUNCTION public.automation_workflow_save(p_workflow jsonb, p_dry_run boolean DEFAULT false, p_now timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS 'cut';
COMMENT ON FUNCTION public.automation_workflow_save(p_workflow jsonb, p_dry_run boolean, p_now timestamp with time zone) IS 'minutehand: saves a workflow by its name';
CREATE FUNCTION public.automation_workflow_show(p_workflow text) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS 'cut';
COMMENT ON FUNCTION public.automation_workflow_show(p_workflow text) IS 'minutehand: one workflow, its versions and its executions';
CREATE FUNCTION public.automation_workflow_versions(p_workflow text) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS 'cut';
COMMENT ON FUNCTION public.automation_workflow_versions(p_workflow text) IS 'minutehand: what was saved of a workflow over time';
CREATE FUNCTION public.automation_write_record(p_execution_id uuid, p_token uuid, p_step jsonb, p_table text, p_operation text, p_id text DEFAULT NULL::text, p_values jsonb DEFAULT '{}'::jsonb, p_now timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS 'cut';
COMMENT ON FUNCTION public.automation_write_record(p_execution_id uuid, p_token uuid, p_step jsonb, p_table text, p_operation text, p_id text, p_values jsonb, p_now timestamp with time zone) IS 'minutehand: writes a row of the app for an execution';
CREATE FUNCTION public.check_automation_rate_limit(p_job_id text, p_workflow_id uuid, p_status text) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS 'cut';
COMMENT ON FUNCTION public.check_automation_rate_limit(p_job_id text, p_workflow_id uuid, p_status text) IS 'minutehand: may this workflow fire now for this row?';
CREATE FUNCTION public.count_execution() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
  if new.status = 'completed' and old.status <> 'completed' then
    update automation_workflows set execution_count = execution_count + 1, last_executed_at = now()
    where id = new.workflow_id;
  end if;
  return new;
end $$;
CREATE FUNCTION public.touch() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ begin new.updated_at := now(); return new; end $$;
CREATE TABLE minutehand.adopted (
    table_name text NOT NULL,
    adopted_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE minutehand.backlog (
    only_row boolean DEFAULT true NOT NULL,
    held_before timestamp with time zone NOT NULL,
    CONSTRAINT backlog_only_row_check CHECK (only_row)
);
CREATE TABLE minutehand.beats (
    minute timestamp with time zone NOT NULL,
    first_at timestamp with time zone NOT NULL,
    due integer
);
CREATE TABLE minutehand.installed (
    signature text NOT NULL,
    source_md5 text NOT NULL
);
CREATE TABLE minutehand.judged (
    only_row boolean DEFAULT true NOT NULL,
    judged_at timestamp with time zone NOT NULL,
    lost bigint DEFAULT 0 NOT NULL,
    lost_at timestamp with time zone,
    CONSTRAINT judged_only_row_check CHECK (only_row)
);
CREATE SEQUENCE minutehand.lost_events
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
CREATE TABLE minutehand.resumed (
    workflow_id text NOT NULL,
    resumed_at timestamp with time zone NOT NULL
);
CREATE VIEW minutehand.watched AS
 SELECT c.oid AS relation,
    (n.nspname)::text AS schema_name,
    (c.relname)::text AS table_name,
    (minutehand.first_argument(t.tgargs))::jsonb AS config,
    (t.tgenabled <> 'D'::"char") AS enabled
   FROM ((pg_trigger t
     JOIN pg_class c ON ((c.oid = t.tgrelid)))
     JOIN pg_namespace n ON ((n.oid = c.relnamespace)))
  WHERE ((t.tgname = 'minutehand_capture'::name) AND (NOT t.tgisinternal) AND (t.tgparentid = (0)::oid));
CREATE TABLE public.automation_control (
    scope text NOT NULL,
    target text DEFAULT ''::text NOT NULL,
    reason text,
    paused_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT automation_control_scope_check CHECK ((scope = ANY (ARRAY['all'::text, 'tenant'::text, 'workflow'::text])))
)
WITH (autovacuum_vacuum_threshold='50', autovacuum_vacuum_scale_factor='0');
ALTER TABLE public.automation_events ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.automation_events_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.automation_migrations (
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE public.automation_opt_outs (
    channel text NOT NULL,
    address text NOT NULL,
    tenant text DEFAULT ''::text NOT NULL,
    reason text,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE public.automation_workers (
    id text NOT NULL,
    mode text NOT NULL,
    host text,
    version text,
    listens boolean DEFAULT false NOT NULL,
    started_at timestamp with time zone NOT NULL,
    heartbeat_at timestamp with time zone NOT NULL
)
WITH (fillfactor='50', autovacuum_vacuum_threshold='200', autovacuum_vacuum_scale_factor='0');
CREATE TABLE public.automation_workflow_versions (
    workflow_id uuid NOT NULL,
    version integer NOT NULL,
    definition jsonb NOT NULL,
    saved_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE public.clients (
    id text NOT NULL,
    user_id uuid NOT NULL,
    organization_id uuid,
    name text NOT NULL,
    first_name text,
    last_name text,
    email text,
    phone text,
    status text,
    tags text[],
    last_contacted_at timestamp with time zone
);
CREATE TABLE public.jobs (
    id text NOT NULL,
    user_id uuid NOT NULL,
    organization_id uuid,
    client_id text,
    title text,
    status text,
    job_type text,
    revenue numeric,
    tags text[],
    schedule_start timestamp with time zone,
    deleted_at timestamp with time zone,
    updated_at timestamp with time zone
);
CREATE TABLE public.organizations (
    id uuid NOT NULL,
    name text NOT NULL
);
CREATE TABLE public.profiles (
    user_id uuid NOT NULL,
    organization_id uuid
);
CREATE TABLE public.users (
    id uuid NOT NULL,
    email text
);
INSERT INTO minutehand.adopted VALUES
	('automation_workflows', '2026-11-29 13:52:18.519645+00'),
	('automation_execution_logs', '2026-11-29 13:52:18.519645+00'),
	('communication_logs', '2026-11-29 13:52:18.519645+00');
INSERT INTO minutehand.backlog VALUES
	(true, '2026-11-28 13:52:19.514818+00');
INSERT INTO minutehand.beats VALUES
	('2026-11-29 13:52:00+00', '2026-11-29 13:52:14.514818+00', 2),
	('2026-11-29 14:04:00+00', '2026-11-29 14:04:19.514818+00', 7),
	('2026-11-29 14:05:00+00', '2026-11-29 14:05:19.514818+00', 8),
	('2026-11-29 14:06:00+00', '2026-11-29 14:06:19.514818+00', 8);
INSERT INTO minutehand.installed VALUES
	('minutehand.new_id()', 'a21d7fdf5dcb956c94c99ed01fc5f2c5'),
	('minutehand.as_list(text)', 'd5dee2efb4609430b31143c2941d9efd'),
	('minutehand.facts_direct(timestamp with time zone)', 'a8e1024316ba6cca8c3a2c5d683b812b'),
	('public.automation_schema_version()', '08a667175c91ec23375664c5c36d02f7'),
	('minutehand.is_open(text,uuid,integer,text[],text[])', 'b960a055b027807d19266d41f283dad6'),
	('minutehand.newest_executions()', '8efbd97f057fd01e252c1700eee7ef8a'),
	('minutehand.direct_used_by()', 'ca75eb659e397e8cb41b123baa316ffb'),
	('minutehand.holds(jsonb,jsonb,jsonb,text)', 'c3fb2bd03302187a7d104b681f03b422'),
	('minutehand.with_records(jsonb,jsonb)', '788c501720ca4733183e24dfe41f9be3'),
	('public.automation_triggers()', '974fb0bb2d2d562da8fd7efef17c8711'),
	('minutehand.something(jsonb)', '20f015caec18d25014eb0c25be5cc842'),
	('minutehand.subject(public.automation_execution_logs)', '24969625975265dd1d323892dd05ca30'),
	('minutehand.direct_function()', 'e7e4b4b1b64218cec9b740b0123e13fa'),
	('minutehand.direct_token()', '1d3b034d44794c81ed72afb39e1750f6'),
	('minutehand.cron_jobs()', '42fe4e09f516b1fba347a9f0538bc8ec'),
	('minutehand.limits_for(text,text)', '44022eb43f08e836b3de2129afe92988'),
	('minutehand.counted(public.automation_limits,text)', 'cebc4797cb34ee29587d56396aa68690'),
	('minutehand.lock_limits(jsonb)', 'ff2fa6a9a17e269ca3fe88091275e04a'),
	('public.automation_alerts_told(uuid,jsonb,timestamp with time zone)', 'bd718bf55a2dc6062189308d1d211a41'),
	('minutehand.slug(text)', '6cedb882279bfa38a5997bd9f6b45290'),
	('minutehand.cause()', '23ea2c312d9ecc931b457792f7f53cb9'),
	('minutehand.behind_since(timestamp with time zone)', '009ac5b26ff123556673851b0a942228'),
	('minutehand.adopt_claimed(uuid[],timestamp with time zone)', '4c6d5040de732228b9e863cee662a655'),
	('minutehand.adopt_one(public.automation_execution_logs,timestamp with time zone)', '33c53d4da14048d322f976ad67d8ebee'),
	('minutehand.entity_of(jsonb)', '3d0f9378352fe0c70201b059714153c2'),
	('minutehand.new_status_of(jsonb)', '78b84d6b3b5cb9f3a0144adfb9127501'),
	('minutehand.enter_app_path()', 'c8aed4e613493c49acceadca568963e8'),
	('minutehand.leave_app_path()', '753ef5e6e29c7dcbd377befb2b3be500'),
	('minutehand.begin_hold(integer,timestamp with time zone)', '23c6db97e36059089a33e1891aa3b2e2'),
	('minutehand.hold_backlog(integer,timestamp with time zone)', '09aa0768bdcbb68f276a96567be915dd'),
	('minutehand.breaker(jsonb)', '3b4f5a87a1d8d59c35c1cf63ce160504'),
	('minutehand.starts(timestamp with time zone,timestamp with time zone)', 'eec888d1756ddc8849cecd4485a52e3e'),
	('minutehand.trip_breakers(timestamp with time zone)', 'e66a3946a413d4fda937dbd9797bc766'),
	('minutehand.narrow_checks()', '3de2187585d9d0d06d83362dcb12eab8'),
	('minutehand.widen_checks()', '96a3238b662232ba2f882f38371d1f05'),
	('minutehand.is_normal_leaf(jsonb)', '9121b49cdaeb2c919e6a6ab47516f655'),
	('minutehand.normal_leaf(jsonb)', '7692d2a0440c1fdd01f99097602fc50e'),
	('minutehand.normal_conditions(jsonb,integer)', 'e0d72d90bda2c6e8ee9c765b8512277d'),
	('minutehand.condition_problem(jsonb)', '47b4ca23edd4d08cc600702a300df1f0'),
	('minutehand.fold(text)', 'fce9b4cd371ed403c9e1220634a832b0'),
	('minutehand.is_number(text)', '85a1b5f12c051656cf4a4151ff6979e8'),
	('minutehand.same(jsonb,jsonb,boolean)', '4409a177e9c92827b3396127bb2c398e'),
	('minutehand.has_item(jsonb,jsonb,boolean)', '0086eb7aadab1091d12d4d3b7f285dd1'),
	('minutehand.instant(text)', '216276c87d2af53e0c93d34a6d68dc91'),
	('minutehand.compared(jsonb,jsonb)', '4c014d5ff06ec878e8f5ff4132956152'),
	('minutehand.direct()', '7b6cb22fc0552e563db948ff88345a62'),
	('minutehand.facts_processors(timestamp with time zone)', 'f8f86f3fe51b84480b5d86964b5ba643'),
	('minutehand.set_direct_token(text)', '6f3bf70c8aa13df2150df3ca5d86d34e'),
	('minutehand.direct_begun(public.automation_execution_logs)', '113568dd326fc6ec6923c5561f871255'),
	('minutehand.direct_undo(uuid)', '800e44540dd83fe337c810f84b341ff0'),
	('minutehand.direct_call(jsonb,public.automation_execution_logs)', 'babe079c873b984c6c6bda84c32f63b9'),
	('minutehand.direct_context(public.automation_execution_logs)', '4c889aeae2e775eb14a5da09c93c5e2d'),
	('minutehand.own_columns()', 'e227b52d99547d0bb779cfe43b6f0f1f'),
	('minutehand.own_tables()', '2b53f479bb4a0a8424a57d880afe365b'),
	('minutehand.facts_schema(timestamp with time zone)', '20e74e9e1c92c012abf18f9055f4eb19'),
	('minutehand.own_functions()', 'b66799466d12a835007eb677be4aeed1'),
	('minutehand.facts_functions(timestamp with time zone)', '799b943e213d9cb65a1f36515431426d'),
	('minutehand.facts_grants(timestamp with time zone)', '244651ed818734a31a3ff559d78c8aab'),
	('minutehand.app_functions()', 'e9978056a9bae75f743fd8b02dac381a'),
	('minutehand.facts_triggers(timestamp with time zone)', 'a077dbbfdc47a02234af5f581782dcd7'),
	('minutehand.facts_columns(timestamp with time zone)', '2d3a8abd00b2aced4e7965f3fbbe9b35'),
	('minutehand.facts_vacuum(timestamp with time zone)', 'dc671665e44c867105d17744ba9893c5'),
	('minutehand.status_words(regclass,jsonb)', '9d69cc4aea108dd97ad3fdc2316b2f44'),
	('minutehand.hearing(text)', '645317be9478c576a8dc18e23b8f7105'),
	('minutehand.wanted_words(jsonb,text)', '6b61d3479f77c5870aff86d018540078'),
	('minutehand.unmatched_words(public.automation_workflows,jsonb)', '3d91cd16d3cbbcec0a4b492addf02694'),
	('minutehand.held_steps(public.automation_workflows)', '80ac3229750c812df7f26256ee42400d'),
	('minutehand.facts_of_workflow(public.automation_workflows,jsonb)', '74892c63222781a40a73fdd91caa78c7'),
	('minutehand.switches(public.automation_workflows)', '68e73d5423da05f6a1a3949db2e9b353'),
	('minutehand.facts_workflows(timestamp with time zone)', '0e29fef57f7bd0327d9ebeb6a9e5e9db'),
	('minutehand.facts_queue(timestamp with time zone)', '4f527b8865c25b1e6168c59c460de888'),
	('minutehand.troubles(double precision,interval,timestamp with time zone)', '8d6e0bbba7a636f73dc994e458c0c26e'),
	('minutehand.judge(double precision,interval,timestamp with time zone)', '63e17d11e16b0f720f9cf3037aa0929d'),
	('minutehand.to_tell(public.automation_incidents,timestamp with time zone)', 'e94e75009add29e4b4c25fe8a6aca06b'),
	('minutehand.note_installed()', '48dbff771e8005a4f5664d7802de007c'),
	('minutehand.excerpt(jsonb)', 'be2ad0c50848b0007ee282306ed3d488'),
	('minutehand.keep_version()', '12db8d2f99899fdc7ee6679872d9e96b'),
	('minutehand.room_at(public.automation_limits,text,text,text,timestamp with time zone)', '8aada8cf01d07b7be40aa93f0815b358'),
	('minutehand.exceeded(text,text,text,text,timestamp with time zone)', '592b08446ba5a14b04662ec63a46b1c2'),
	('minutehand.order_of(jsonb)', '85319c75dfc55faf85dd41b220e3e042'),
	('minutehand.order_problem(jsonb)', '7612a2ec99e4acda07fea39b31c769d8'),
	('minutehand.line_key(text,uuid)', '99a5ba177aabf07ab211afe197270369'),
	('minutehand.line_keys(uuid[])', '3f682bf21796ea228b099dfe4ddb64ed'),
	('minutehand.ids_of(jsonb)', '8db6e79f3bd673daa7a495caa4b768ad'),
	('minutehand.lines()', '2afe2a4cdf1753300eee769a3f69f072'),
	('minutehand.unmatched_before(text,uuid,bigint)', '8cf03a059145f4ce988bc9d08740e7cc'),
	('minutehand.in_words(interval)', '5ce60f88720ff5b165b9b10d661cbfe8'),
	('minutehand.in_turn(uuid[],uuid[],timestamp with time zone)', 'd777e93a4a2934a0452679ee971d2e86'),
	('minutehand.lock_lines(jsonb)', '78a038b0496a7edb4f1630ce1ad5ef79'),
	('minutehand.promote(jsonb,timestamp with time zone,boolean)', 'a47d12f4e056181af94b93c65461c9f4'),
	('minutehand.hold_line(uuid[],timestamp with time zone,integer)', 'f713342815c12478d5cd5f2454b5aa66'),
	('minutehand.remember(jsonb,text,timestamp with time zone,timestamp with time zone,jsonb)', '064e5e384ce2d4e570d1587ce191cdfc'),
	('minutehand.remember_end(public.automation_execution_logs,text,timestamp with time zone)', '3fa81227c8dfac8e7477f779e82a0a43'),
	('minutehand.clock()', '9a1c296aab2be028fbc727a52028ab25'),
	('minutehand.backoff(integer)', '6be48848fc81146205f43a257427b071'),
	('minutehand.seconds_until(timestamp with time zone,timestamp with time zone)', 'cdc7a764077b522ee3f88c2a7fa0917c'),
	('minutehand.shares(integer,timestamp with time zone)', 'e34dda06d4fd2bee4b3bb920e79d22d4'),
	('minutehand.suspects(integer,timestamp with time zone)', '9afa033da0f708830c3c366a4352e9de'),
	('minutehand.heads(timestamp with time zone)', '665911b1b06682941512b97464f30f00'),
	('minutehand.tenants_due(integer,timestamp with time zone)', '3bbfa239012c235772b568a08cb6aab2');
INSERT INTO minutehand.installed VALUES
	('minutehand.seconds_to_next(timestamp with time zone)', '651bd2e4936697d33f47ade5c091aec1'),
	('minutehand.is_paused(text,text,uuid)', '6fde31fd29b950df57d22464fab13297'),
	('minutehand.my_user()', 'bc9045219ba8044bfa82e796d96de598'),
	('minutehand.my_organization()', '671e89122e3019f4146be4e264b879ad'),
	('minutehand.first_argument(bytea)', '50c5e0e634ed7b0b15021a9e64fcb79d'),
	('minutehand.label(text,text)', '3a795b34692c05fbfe1fc531ce51ade2'),
	('minutehand.organization_of(jsonb,jsonb)', 'a14db0113768aa46a969c1127a1e7897'),
	('minutehand.meets(public.automation_execution_logs,jsonb)', '3f8af933d05e8d6c91801ae3d2f1ddae'),
	('minutehand.tenant_of(public.automation_execution_logs)', '9299d36902f95a4a6a258d699bf29fbb'),
	('minutehand.filter_of(jsonb)', '6542ba3a35278afe020cfad8bb155d42'),
	('minutehand.named_ids(jsonb)', '244fdaa8ea0413bdfcb9bcb4044c7df6'),
	('minutehand.message(text)', '37f04923f4e8e99e9fcf55442f6e4538'),
	('minutehand.looked_back_to(jsonb,timestamp with time zone,integer)', 'd3b38f90e841f332725b6e6f2029cf84'),
	('minutehand.series(timestamp with time zone,timestamp with time zone,integer,text)', 'fa4e8fcd94cdea2654db91251a7cbbd6'),
	('minutehand.row_of(public.automation_workflows)', '1fd82dce87e19b9df3d0b84cf8cf7cf0'),
	('minutehand.is_on(public.automation_workflows)', '6eafd3a82e1e5aa5c8d0effedc8b9b7d'),
	('minutehand.is_row_on(jsonb)', '3497f0f641aeda76eba6a9c0ea3089e0'),
	('minutehand.tenant(text,text)', 'c643202e73068ee633238c152136c568'),
	('minutehand.same_tenant(text,text,text,text)', '1d34e0cecaffd3c3bb6b1c357cbb980e'),
	('public.automation_trigger_remove(text)', 'de4bf59468c5703a94fc7d12f07b4324'),
	('minutehand.workflow_card(public.automation_workflows)', 'd76c4a8215693cc15e6477826743c684'),
	('minutehand.conditions_of(jsonb,text)', '7ff7bcf26034bb761385ba209bc41042'),
	('minutehand.conditions(jsonb)', 'af471a6ac752a2a21f43070e2b406f23'),
	('minutehand.trigger_steps(jsonb)', 'c376048bab38122948197b94263e2346'),
	('minutehand.status_leaves(jsonb,text)', 'ff15547dc733c4f022cbc28308c4a11b'),
	('minutehand.steps_problem(jsonb)', '4f75b3811bb97dde70a042f72cf0193f'),
	('minutehand.to_interval(text)', '08df3302e0555e23b2533818df018812'),
	('minutehand.rate_limit(jsonb)', 'cd93d2ee478fa178de80288f58760236'),
	('minutehand.definition(jsonb)', 'ce6bd0aac94f78dc6dd02b0f8ead6a7f'),
	('minutehand.number_version()', '1e4c1d399b39c1984a1372ad57332f5d'),
	('minutehand.lint_facts(public.automation_workflows)', '12d790e284a5d79cc9e018d749ddd4c6'),
	('minutehand.cannot_fire(public.automation_workflows)', '37abbd941cdbcb56c8d04d4b46328bd6'),
	('public.automation_advance(jsonb,timestamp with time zone)', 'c9c789a748f5b5342a9c0d420713466a'),
	('minutehand.advance(jsonb,timestamp with time zone)', '66e1889a2100262145d975e47fd2f684'),
	('minutehand.parts(jsonb,text)', '648e316a8adf73a0fb5b6c032e682e24'),
	('public.automation_alerts_take(uuid,double precision,bigint,timestamp with time zone)', '2a96a6cceb65e9909b5eca237dd5faf5'),
	('public.automation_begin_calls(jsonb,timestamp with time zone)', 'a528c5ebc784ecf113df4807764f7974'),
	('public.automation_cancel(jsonb,text,timestamp with time zone)', 'e6e715442f5e7c61123f925b07d072e7'),
	('public.automation_capture()', '17bb3cb55a3d656f583ed416c68f6309'),
	('minutehand.end_at_claim(uuid[],timestamp with time zone)', '66db501249d24eaa5b1bd4ae853f8fef'),
	('minutehand.capture(jsonb,text,text,jsonb,jsonb)', '24752e13f3b093a30ccfede89e788e22'),
	('minutehand.match_now(public.automation_events,jsonb)', 'df61fdc2973131ecc10b6a56af7bfcf7'),
	('public.automation_claim(uuid,integer,text,integer,integer,jsonb,boolean,timestamp with time zone)', '10882951076269cf707024f7e61fc253'),
	('minutehand.take(uuid,integer,text,integer,integer,jsonb,boolean,timestamp with time zone)', '8c19827e37ce2fd53a457a790c456318'),
	('minutehand.find_workflow(text)', '6fcf1e36c555df0882f1ca28a5e9cdf0'),
	('minutehand.end_unreadable(uuid[],timestamp with time zone)', 'fd9068cdfb1ad631bd55017a6ae72053'),
	('minutehand.is_json(text)', '79552f4cb1dfc7c22847eb879d5f0cac'),
	('minutehand.ended(uuid[])', 'e01839f923501df2724213909be6c35a'),
	('minutehand.check_direct(text,integer)', '9d1abc0f6670f324655b4fa6efd749cd'),
	('minutehand.claimed(uuid,timestamp with time zone)', '13e9e73e4e0eaab3bfbadc0fdfe6bf1d'),
	('public.automation_confirm_sends(jsonb,timestamp with time zone)', '8540c1e89fd2fce5a0c5d3b6fe0dc482'),
	('minutehand.confirm(jsonb,timestamp with time zone)', '5f8423c743a9aa04a77664759d6d267b'),
	('public.automation_context(jsonb,timestamp with time zone)', '4a1489b7d81a2227130edc1e97b38dbc'),
	('minutehand.table_of_type(text)', 'b66de6beaf0546bf7549cf3da0d11e42'),
	('minutehand.context(jsonb,timestamp with time zone)', '81fe1362c84ed82121b8b12e096593f0'),
	('minutehand.stop_of(public.automation_execution_logs,public.automation_workflows,text,jsonb,jsonb)', '9db4c7e1ba0fb67897fd54422c4018ee'),
	('minutehand.table_of(jsonb)', 'a89bdaf84522f793618526f06fb83a32'),
	('minutehand.read_rows(oid,jsonb,text[])', 'd7136cf112cb87527441c00385aad459'),
	('minutehand.type_of(oid,text)', '9760b96373aa943bcd65b0eb187f1668'),
	('minutehand.links(oid,jsonb)', '55776d8085f89558e8f1638884e62b4d'),
	('public.automation_count(jsonb,integer)', 'e041249bf73507356ee3cf0ba7c4da54'),
	('public.automation_direct_off()', '11e87a40351ad0fca434a9ba90ec64d9'),
	('public.automation_direct_on(text,text,integer,boolean,boolean)', '841bc944090d98fb8e50fbb2c8e82da0'),
	('minutehand.set_direct_triggers(jsonb)', 'bdddbe07e0ff1cd668a0fe6dfdf32be3'),
	('public.automation_direct_rotate(text)', 'e3b9ede411933bacd0a6f57cf1abb535'),
	('public.automation_direct_status()', 'ae77d52d7a885fef6701f34b812a69f6'),
	('minutehand.waits_for(public.automation_execution_logs,timestamp with time zone)', '6b8432bb5f7dc9590b043777ffb4522f'),
	('public.automation_direct_sweep(integer,integer,timestamp with time zone)', '343276f128db307f77c016dcb4e7f5d2'),
	('minutehand.direct_call_now(jsonb,uuid)', 'ba776c23cd535ee343e573582fe5a790'),
	('public.automation_doctor(timestamp with time zone)', '41f6d94c867ead24f30feec8420cf093'),
	('minutehand.hint()', '0245f6bd296b9f1d9ad2d19baf4240b2'),
	('public.automation_enqueue(text,text,jsonb,timestamp with time zone,text,boolean,timestamp with time zone)', '2f4b683f95afd9bf1bf12fd6e77a4b6c'),
	('minutehand.find_row(public.automation_workflows,text,text)', '09ffc726babf2670558bfda997821a72'),
	('minutehand.judged(jsonb,jsonb,jsonb,text)', 'b3e9dd411f366c8f950357145519754f'),
	('minutehand.verdict(jsonb,jsonb,jsonb,text)', '26190fec55e0672af9e7acc3025b81cb'),
	('minutehand.described(jsonb,jsonb,jsonb,text)', '0e50216e7d43a98b58e1e4aa2be442c7'),
	('minutehand.evaluate(jsonb,jsonb,jsonb,text)', '2641e6cf73c949ee76568f2fa6528666'),
	('public.automation_evaluate(jsonb,jsonb,jsonb,text)', 'a1bf4de5421a1eacce67bd8b7a30b220'),
	('public.automation_execution(text,timestamp with time zone)', 'dbd950f467f8912b761074aca4cab829'),
	('minutehand.shown(jsonb)', '6d4562212e42686c82f099b367540e83'),
	('public.automation_executions(jsonb,integer)', '5a5976a18ca46328ec07e30bbab1ca6d'),
	('minutehand.listed(public.automation_execution_logs,text)', 'c811db0d8ec5062a67b9e577aa5cbf02'),
	('public.automation_failures(jsonb,integer,timestamp with time zone)', '94817d863651e8f448232b1884780825'),
	('public.automation_incidents(boolean,integer)', 'ee75a719737887571d14d024ff8c69dc'),
	('public.automation_limit_set(text,integer,text,text,text,text)', 'bc473b2bb88d227784911a3368e3986c'),
	('public.automation_limits()', 'b44cbd596ab22e5f3812e44c229f8c77'),
	('minutehand.shown_limit(public.automation_limits)', 'dd0860241cee9f48c638f6f1382bffaf'),
	('public.automation_match_events(integer,timestamp with time zone)', 'fe4de34952bbd3696ca88c36afb7a0a1'),
	('minutehand.limit_key(uuid,text)', 'beb081d9f6c1a5c8c4ed7ae981218ac3'),
	('minutehand.is_passing(text)', '0eb23d863dfc10f9b3aa192db20eb301'),
	('minutehand.match_event(public.automation_events,jsonb,timestamp with time zone,boolean)', '069b303f475ca1953aa6b34a3e4005f5'),
	('minutehand.candidates(public.automation_events,boolean)', '1af10b06e28dec4c9e51ff626fb142de'),
	('minutehand.decide(public.automation_workflows,public.automation_events,jsonb,jsonb,jsonb)', '76db34488c63ba22e1529a85b5c9f8ae'),
	('minutehand.start_execution(public.automation_workflows,public.automation_events,jsonb,text,text)', '0e5ed94eaefaa01840293a5302586eb1'),
	('minutehand.to_uuid(text)', '6a71f1c5bacea7670e482306d8a34521'),
	('minutehand.chain(public.automation_events,uuid,jsonb)', 'f78f1783585af58903b4ff6e66527f9b'),
	('minutehand.limited(uuid,jsonb,text,text,timestamp with time zone)', '90335e80949ee4930df570a23d0ce53a'),
	('public.automation_metrics(boolean,timestamp with time zone)', '73dfdc8692a201bd30a2b4484598cdfa'),
	('minutehand.recent_figures(timestamp with time zone)', '9353792cecc3706344d7716e29e0e115'),
	('minutehand.percentiles(double precision[])', '296546985706d5b2b71230a76c9b813a');
INSERT INTO minutehand.installed VALUES
	('minutehand.workflow_problem(public.automation_workflows)', 'b5f482b2519d4fdfda33db0e1ece00f8'),
	('public.automation_overview(text,timestamp with time zone,integer,timestamp with time zone)', '4d850ca6aa4109b9c064824f0e9342df'),
	('minutehand.of_a_day(text,timestamp with time zone)', '077928289e13aaf2f8c0857da6dc217c'),
	('minutehand.figures_of(text,timestamp with time zone)', '1fbc36206918331552e12f90db84c6d3'),
	('public.automation_pause(text,text,text,timestamp with time zone)', 'f222f091eb57eea9b6723f623eb2c8ff'),
	('minutehand.pause_subject(text,text)', 'd4c95e0ec7999dc34fcf01e08ced1b09'),
	('minutehand.pending_of(text,text)', 'd68924232887b0a59edc20b9afcb7250'),
	('public.automation_preview(text,text,jsonb,timestamp with time zone)', '9a9373f3b9fb671cea1f3e3a7b008c99'),
	('minutehand.stops(public.automation_workflows,text,text,jsonb,timestamp with time zone)', '20f9a1588557bd59a2b4bdf21515e2d8'),
	('minutehand.first_event_since(timestamp with time zone)', '963efa10dcd269206f445db8ab8e25be'),
	('public.automation_prune(bigint,integer,timestamp with time zone)', 'c23a0debb2508b51eb7bc23b23b9818c'),
	('public.automation_record_step(jsonb,timestamp with time zone)', 'e14cc30ae0e685b882cbe41d197bf036'),
	('minutehand.append_steps(jsonb,timestamp with time zone)', '2200b1d8f275ad215de63a29b526ce4d'),
	('minutehand.has_record(jsonb,jsonb)', '2f13a505bf18c1d107fef172ba1cced9'),
	('minutehand.note_sends(jsonb,timestamp with time zone)', '1fe893692b095ac4b70e944d84fde95b'),
	('minutehand.note(jsonb,timestamp with time zone)', '686a347bc861b31127927648b160cadf'),
	('public.automation_release(jsonb,integer,timestamp with time zone)', '1d30c989077b2060c72f7f066f916f8e'),
	('public.automation_renew(jsonb,integer,timestamp with time zone)', '12edf4ce992e947659c73e759bd8ddc1'),
	('public.automation_reserve_sends(jsonb,timestamp with time zone)', '572fe2c1b2aeca8ff1deef00fdf4bb90'),
	('minutehand.reserve_all(jsonb,timestamp with time zone)', 'af63a1834afd7ab976a4eb02f3e5649c'),
	('minutehand.limit_answer(jsonb,timestamp with time zone)', 'ce4b2e839c59998a429f570122ed6bcb'),
	('minutehand.reserve(jsonb,timestamp with time zone)', '55cc0f36568046016c99badf6659e8c8'),
	('minutehand.send_row(text,uuid,text,text,text,text,uuid,text,text)', 'c1500c8c080c039aae83ab3717283897'),
	('public.automation_resolve(jsonb,text,timestamp with time zone)', '53276bf0c27341a5a6487067f4571b67'),
	('minutehand.resolution(text,text)', '796299242cc281cb7d6d2d503427ea20'),
	('public.automation_resume(text,text,timestamp with time zone)', '690c268debdbbd8c9de9da3c14b9e2fb'),
	('public.automation_retry(jsonb,timestamp with time zone)', 'd69fea201b016e532240e695b54f5629'),
	('public.automation_search(jsonb,integer,jsonb,integer,timestamp with time zone)', '44a6426680992c08ed7fea4dee8527ce'),
	('public.automation_settle(jsonb,timestamp with time zone)', '9a874a10e365da0245b99d4b81c9e92d'),
	('minutehand.settle(jsonb,timestamp with time zone)', '4bdada6b2c1e54c61f1997f4d468fd3b'),
	('minutehand.state_after(text,jsonb,text,text,boolean,numeric,text,text,numeric,jsonb,integer,integer,text,text,timestamp with time zone)', '84bcd21a1b5c35961c23fe4466e9251a'),
	('minutehand.end_of(jsonb,text,text)', '68f8b4a02e1798b2dadf64b8b6d81457'),
	('minutehand.words_of(jsonb,jsonpath)', 'be197e6f472a98077640dfbc91abb38f'),
	('public.automation_story(text,timestamp with time zone)', '1267ea8f98d0359f32e519e1df277d9f'),
	('public.automation_tick(jsonb,integer,timestamp with time zone)', '4708d786c46e11fcc57bdb5fe363db5a'),
	('minutehand.count_due(integer,timestamp with time zone)', 'c36656274bdb4ab16cbc04abc8b2e9a7'),
	('minutehand.saved_before(jsonb)', '3f3d7db7058d9f2063ac5c22f662035a'),
	('minutehand.return_lost_leases(integer,timestamp with time zone)', 'b0ea9bc1ac6b3c76ad5416f0b1310fed'),
	('minutehand.prune(integer,timestamp with time zone)', '0b14f376dd8916873dae92b16b180cf5'),
	('public.automation_trigger_add(text,text,text,text,text,jsonb,jsonb,boolean)', '15d22d9d1b796198e9eb9c301d0e82d2'),
	('minutehand.find_table(text)', '477ff2defb21ead5fb395ae2331e4594'),
	('minutehand.need_column(regclass,text)', '45663f1a9a1042ddcac87b7587196929'),
	('minutehand.tenant_column(regclass,text)', 'b2d9fab2c6f60580def1f72586b8bd11'),
	('minutehand.singular(text)', '95537bcac4de59575789c07b680502ae'),
	('minutehand.write_workflow(public.automation_workflows,jsonb,text[],timestamp with time zone)', '9159487ad124693fbb37685e15f745ba'),
	('public.automation_workflow_list(jsonb)', 'ea0f803eb4cf4c75dce8c36274cbce68'),
	('public.automation_workflow_save(jsonb,boolean,timestamp with time zone)', '1ed39c19caa936b6433ad2f8d20efd87'),
	('minutehand.refuse_unknown_columns(jsonb)', 'fcb1d6ab78fd82d33c37d8ad1ea90e6d'),
	('minutehand.refuse_missing_columns(public.automation_workflows)', 'af6a8f5bbcfabc48e08629c36a4f8ab7'),
	('public.check_automation_rate_limit(text,uuid,text)', 'e7b6cb11bad1d1de1ec51450e8030868'),
	('public.automation_workflow_show(text)', 'b6a5b1044e321827b7933eddd280094b'),
	('public.automation_workflow_versions(text)', '4be0b350b73beed0faee2e0191a067bb'),
	('public.automation_write_record(uuid,uuid,jsonb,text,text,text,jsonb,timestamp with time zone)', '771690652735d77b6dd31cfec1322477'),
	('minutehand.why_not_writable(oid,jsonb,text,text,jsonb,public.automation_execution_logs)', '2aaa34a0b8c6d3a484497601d1dd081c'),
	('minutehand.write_row(oid,jsonb,text,text,jsonb,public.automation_execution_logs)', 'b41ead1a15cb0a5fe066c8c03ba7421a'),
	('minutehand.install_direct()', 'cd637c81fb357e74657ea2f1010a9972');
INSERT INTO minutehand.judged VALUES
	(true, '2026-11-29 14:03:59.514818+00', 0, NULL);
INSERT INTO minutehand.resumed VALUES
	('e1c423d5-75ff-4a1f-8b2d-92b16a0102c6', '2026-11-29 13:53:09.514818+00');
INSERT INTO public.automation_control VALUES
	('workflow', '88436939-b585-4ac6-b9df-1c3f5d7a26ab', 'breaker: started 310 times in 1 min', '2026-11-29 13:52:20.645521+00');
INSERT INTO public.automation_events VALUES
	(1, '2026-11-29 13:52:19.653471+00', 'jobs', 'INSERT', '{job_created}', 'J-2024', '22222222-2222-4222-8222-222222222222', '11111111-1111-4111-8111-111111111111', NULL, '{"id": "J-2024", "tags": null, "title": "Boiler repair", "status": "In Progress", "revenue": null, "user_id": "22222222-2222-4222-8222-222222222222", "job_type": null, "client_id": "C-1", "deleted_at": null, "updated_at": null, "schedule_start": null, "organization_id": "11111111-1111-4111-8111-111111111111"}', NULL, NULL, '2026-11-29 13:52:19.653471+00', 0, NULL, NULL),
	(3, '2026-11-29 13:52:19.73795+00', 'jobs', 'INSERT', '{job_created}', 'J-2025', '22222222-2222-4222-8222-222222222222', '11111111-1111-4111-8111-111111111111', NULL, '{"id": "J-2025", "tags": null, "title": "Boiler repair", "status": "In Progress", "revenue": null, "user_id": "22222222-2222-4222-8222-222222222222", "job_type": null, "client_id": "C-1", "deleted_at": null, "updated_at": null, "schedule_start": null, "organization_id": "11111111-1111-4111-8111-111111111111"}', NULL, NULL, '2026-11-29 13:52:19.73795+00', 0, NULL, NULL),
	(4, '2026-11-29 13:52:19.741441+00', 'jobs', 'UPDATE', '{job_updated,job_status_changed,job_completed}', 'J-2025', '22222222-2222-4222-8222-222222222222', '11111111-1111-4111-8111-111111111111', '{"status": "In Progress", "updated_at": null}', '{"id": "J-2025", "tags": null, "title": "Boiler repair", "status": "Completed", "revenue": null, "user_id": "22222222-2222-4222-8222-222222222222", "job_type": null, "client_id": "C-1", "deleted_at": null, "updated_at": "2026-11-29T13:52:19.741441+00:00", "schedule_start": null, "organization_id": "11111111-1111-4111-8111-111111111111"}', NULL, NULL, '2026-11-29 13:52:19.741441+00', 0, NULL, NULL),
	(5, '2026-11-29 13:52:19.758034+00', 'jobs', 'INSERT', '{job_created}', 'J-2026', '22222222-2222-4222-8222-222222222222', '11111111-1111-4111-8111-111111111111', NULL, '{"id": "J-2026", "tags": null, "title": "Boiler repair", "status": "In Progress", "revenue": null, "user_id": "22222222-2222-4222-8222-222222222222", "job_type": null, "client_id": "C-1", "deleted_at": null, "updated_at": null, "schedule_start": null, "organization_id": "11111111-1111-4111-8111-111111111111"}', NULL, NULL, '2026-11-29 13:52:19.758034+00', 0, NULL, NULL),
	(6, '2026-11-29 13:52:19.769468+00', 'jobs', 'UPDATE', '{job_updated,job_status_changed,job_completed}', 'J-2026', '22222222-2222-4222-8222-222222222222', '11111111-1111-4111-8111-111111111111', '{"status": "In Progress", "updated_at": null}', '{"id": "J-2026", "tags": null, "title": "Boiler repair", "status": "Completed", "revenue": null, "user_id": "22222222-2222-4222-8222-222222222222", "job_type": null, "client_id": "C-1", "deleted_at": null, "updated_at": "2026-11-29T13:52:19.769468+00:00", "schedule_start": null, "organization_id": "11111111-1111-4111-8111-111111111111"}', NULL, NULL, '2026-11-29 13:52:19.769468+00', 0, NULL, NULL),
	(7, '2026-11-29 13:52:19.782005+00', 'jobs', 'INSERT', '{job_created}', 'J-2027', '22222222-2222-4222-8222-222222222222', '11111111-1111-4111-8111-111111111111', NULL, '{"id": "J-2027", "tags": null, "title": "Boiler repair", "status": "In Progress", "revenue": null, "user_id": "22222222-2222-4222-8222-222222222222", "job_type": null, "client_id": "C-1", "deleted_at": null, "updated_at": null, "schedule_start": null, "organization_id": "11111111-1111-4111-8111-111111111111"}', NULL, NULL, '2026-11-29 13:52:19.782005+00', 0, NULL, NULL),
	(8, '2026-11-29 13:52:19.785459+00', 'jobs', 'UPDATE', '{job_updated,job_status_changed,job_completed}', 'J-2027', '22222222-2222-4222-8222-222222222222', '11111111-1111-4111-8111-111111111111', '{"status": "In Progress", "updated_at": null}', '{"id": "J-2027", "tags": null, "title": "Boiler repair", "status": "Completed", "revenue": null, "user_id": "22222222-2222-4222-8222-222222222222", "job_type": null, "client_id": "C-1", "deleted_at": null, "updated_at": "2026-11-29T13:52:19.785459+00:00", "schedule_start": null, "organization_id": "11111111-1111-4111-8111-111111111111"}', NULL, NULL, '2026-11-29 13:52:19.785459+00', 0, NULL, NULL),
	(2, '2026-11-29 13:52:19.68211+00', 'jobs', 'UPDATE', '{job_updated,job_status_changed,job_completed}', 'J-2024', '22222222-2222-4222-8222-222222222222', '11111111-1111-4111-8111-111111111111', '{"status": "In Progress", "updated_at": null}', '{"id": "J-2024", "tags": null, "title": "Boiler repair", "status": "Completed", "revenue": null, "user_id": "22222222-2222-4222-8222-222222222222", "job_type": null, "client_id": "C-1", "deleted_at": null, "updated_at": "2026-11-29T13:52:19.68211+00:00", "schedule_start": null, "organization_id": "11111111-1111-4111-8111-111111111111"}', NULL, NULL, '2026-11-29 13:52:19.802301+00', 0, NULL, NULL),
	(9, '2026-11-29 13:52:20.508955+00', 'jobs', 'INSERT', '{job_created}', 'J-2028', '22222222-2222-4222-8222-222222222222', '11111111-1111-4111-8111-111111111111', NULL, '{"id": "J-2028", "tags": null, "title": "Boiler repair", "status": "In Progress", "revenue": null, "user_id": "22222222-2222-4222-8222-222222222222", "job_type": null, "client_id": "C-1", "deleted_at": null, "updated_at": null, "schedule_start": null, "organization_id": "11111111-1111-4111-8111-111111111111"}', NULL, NULL, '2026-11-29 13:52:20.508955+00', 0, NULL, NULL),
	(10, '2026-11-29 13:52:20.51748+00', 'jobs', 'UPDATE', '{job_updated,job_status_changed,job_completed}', 'J-2028', '22222222-2222-4222-8222-222222222222', '11111111-1111-4111-8111-111111111111', '{"status": "In Progress", "updated_at": null}', '{"id": "J-2028", "tags": null, "title": "Boiler repair", "status": "Completed", "revenue": null, "user_id": "22222222-2222-4222-8222-222222222222", "job_type": null, "client_id": "C-1", "deleted_at": null, "updated_at": "2026-11-29T13:52:20.51748+00:00", "schedule_start": null, "organization_id": "11111111-1111-4111-8111-111111111111"}', NULL, NULL, '2026-11-29 13:52:20.51748+00', 0, NULL, NULL);
INSERT INTO public.automation_execution_logs VALUES
	('aec4f56c-1b4b-4145-b394-18e11d01dcd7', 'e32b51bf-48e2-4672-a2dc-d2e4de8b0ffc', NULL, NULL, 'job_status_changed', '{"job_id" : "J-1", "new_status" : "completed"}', 'running', NULL, NULL, NULL, NULL, NULL, '2025-11-29 13:57:18.470127+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('787aea58-057d-4bd5-b4d0-4459b0a44025', 'e32b51bf-48e2-4672-a2dc-d2e4de8b0ffc', NULL, '11111111-1111-4111-8111-111111111111', 'job_status_changed', '{"job_id" : "J-2", "new_status" : "completed"}', 'processing', NULL, NULL, NULL, NULL, NULL, '2025-11-29 14:02:18.470127+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('46da8fd6-4fe6-4be7-b3aa-6b53ded0485f', 'e32b51bf-48e2-4672-a2dc-d2e4de8b0ffc', NULL, NULL, 'job_status_changed', '{"job_id" : "J-3", "new_status" : "completed"}', 'completed', NULL, NULL, NULL, NULL, NULL, '2025-11-29 14:07:18.470127+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('a7a451fb-22cb-4493-93a9-1a81ba94b0b0', 'e32b51bf-48e2-4672-a2dc-d2e4de8b0ffc', NULL, '11111111-1111-4111-8111-111111111111', 'job_status_changed', '{"job_id" : "J-4", "new_status" : "completed"}', 'failed', NULL, NULL, NULL, NULL, NULL, '2025-11-29 14:12:18.470127+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('d606b81c-0087-44aa-8ce9-b880a74b0aba', 'e32b51bf-48e2-4672-a2dc-d2e4de8b0ffc', NULL, NULL, 'job_status_changed', '{"job_id" : "J-5", "new_status" : "completed"}', 'skipped', NULL, NULL, NULL, NULL, NULL, '2025-11-29 14:17:18.470127+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('1315c830-1181-440d-b783-5b1bf9e223ea', 'e32b51bf-48e2-4672-a2dc-d2e4de8b0ffc', NULL, '11111111-1111-4111-8111-111111111111', 'job_status_changed', '{"job_id" : "J-6", "new_status" : "completed"}', 'expired', NULL, NULL, NULL, NULL, NULL, '2025-11-29 14:22:18.470127+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('c6561499-e2b6-4f5a-b98f-80357e35a3af', 'e32b51bf-48e2-4672-a2dc-d2e4de8b0ffc', NULL, NULL, 'job_status_changed', '{"job_id" : "J-7", "new_status" : "completed"}', 'cancelled', NULL, NULL, NULL, NULL, NULL, '2025-11-29 14:27:18.470127+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('6067e7ca-4063-4cfb-8bc1-4bc7ee2feea3', 'e32b51bf-48e2-4672-a2dc-d2e4de8b0ffc', NULL, '11111111-1111-4111-8111-111111111111', 'job_status_changed', '{"job_id" : "J-8", "new_status" : "completed"}', 'paused', NULL, NULL, NULL, NULL, NULL, '2025-11-29 14:32:18.470127+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('7c652512-3e4f-45f0-af52-d33ac3c9e927', 'e32b51bf-48e2-4672-a2dc-d2e4de8b0ffc', NULL, NULL, 'job_status_changed', '{"job_id" : "J-9", "new_status" : "completed"}', 'delayed', NULL, NULL, NULL, NULL, NULL, '2025-11-29 14:37:18.470127+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('e24a4ee1-b4e5-4c49-ac97-ec63e21a4fba', 'e32b51bf-48e2-4672-a2dc-d2e4de8b0ffc', NULL, '11111111-1111-4111-8111-111111111111', 'job_status_changed', '{"job_id" : "J-10", "new_status" : "completed"}', 'started', NULL, NULL, NULL, NULL, NULL, '2025-11-29 14:42:18.470127+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('b3a5739b-b73d-4157-867e-fa797b388854', 'e32b51bf-48e2-4672-a2dc-d2e4de8b0ffc', NULL, NULL, 'job_status_changed', '{"job_id" : "J-11", "new_status" : "completed"}', 'pending', NULL, NULL, NULL, NULL, NULL, '2025-11-29 14:47:18.470127+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('5526bfb1-079b-4c55-8cf3-7a72a4083015', 'e32b51bf-48e2-4672-a2dc-d2e4de8b0ffc', NULL, '11111111-1111-4111-8111-111111111111', 'job_status_changed', '{"job_id" : "J-12", "new_status" : "completed"}', 'running', NULL, NULL, NULL, NULL, NULL, '2025-11-29 14:52:18.470127+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('6aff9c64-9980-43a3-8295-d92d6e983ab9', 'e32b51bf-48e2-4672-a2dc-d2e4de8b0ffc', NULL, NULL, 'job_status_changed', '{"job_id" : "J-13", "new_status" : "completed"}', 'processing', NULL, NULL, NULL, NULL, NULL, '2025-11-29 14:57:18.470127+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('137c3a7c-7855-48fa-9d30-03dfe7f0ce4f', 'e32b51bf-48e2-4672-a2dc-d2e4de8b0ffc', NULL, '11111111-1111-4111-8111-111111111111', 'job_status_changed', '{"job_id" : "J-14", "new_status" : "completed"}', 'completed', NULL, NULL, NULL, NULL, NULL, '2025-11-29 15:02:18.470127+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('7dff09e0-1439-43c2-a71c-fd6db205a96e', 'e32b51bf-48e2-4672-a2dc-d2e4de8b0ffc', NULL, NULL, 'job_status_changed', '{"job_id" : "J-15", "new_status" : "completed"}', 'failed', NULL, NULL, NULL, NULL, NULL, '2025-11-29 15:07:18.470127+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('5a216004-8919-435b-942f-119ad7414eaf', 'e32b51bf-48e2-4672-a2dc-d2e4de8b0ffc', NULL, '11111111-1111-4111-8111-111111111111', 'job_status_changed', '{"job_id" : "J-16", "new_status" : "completed"}', 'skipped', NULL, NULL, NULL, NULL, NULL, '2025-11-29 15:12:18.470127+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('0acf9ccd-3bab-4611-aea1-3ee25f8f7a7d', 'e32b51bf-48e2-4672-a2dc-d2e4de8b0ffc', NULL, NULL, 'job_status_changed', '{"job_id" : "J-17", "new_status" : "completed"}', 'expired', NULL, NULL, NULL, NULL, NULL, '2025-11-29 15:17:18.470127+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('4b37c4c7-e3fe-458c-8781-e2193f4a3ccb', 'e32b51bf-48e2-4672-a2dc-d2e4de8b0ffc', NULL, '11111111-1111-4111-8111-111111111111', 'job_status_changed', '{"job_id" : "J-18", "new_status" : "completed"}', 'cancelled', NULL, NULL, NULL, NULL, NULL, '2025-11-29 15:22:18.470127+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('2e39e47f-ebbf-4072-b2cf-d59609ee2b2e', 'e32b51bf-48e2-4672-a2dc-d2e4de8b0ffc', NULL, NULL, 'job_status_changed', '{"job_id" : "J-19", "new_status" : "completed"}', 'paused', NULL, NULL, NULL, NULL, NULL, '2025-11-29 15:27:18.470127+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('c262d23d-4628-45bf-91e2-ab3fa058e3df', 'e32b51bf-48e2-4672-a2dc-d2e4de8b0ffc', NULL, '11111111-1111-4111-8111-111111111111', 'job_status_changed', '{"job_id" : "J-20", "new_status" : "completed"}', 'delayed', NULL, NULL, NULL, NULL, NULL, '2025-11-29 15:32:18.470127+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('1c18fa01-1a84-43e2-aa31-9b260a0cecb5', 'e32b51bf-48e2-4672-a2dc-d2e4de8b0ffc', NULL, NULL, 'job_status_changed', '{"job_id" : "J-21", "new_status" : "completed"}', 'started', NULL, NULL, NULL, NULL, NULL, '2025-11-29 15:37:18.470127+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('399533e2-56c3-47cc-9d87-fad64dbcf7c0', 'e32b51bf-48e2-4672-a2dc-d2e4de8b0ffc', NULL, '11111111-1111-4111-8111-111111111111', 'job_status_changed', '{"job_id" : "J-22", "new_status" : "completed"}', 'pending', NULL, NULL, NULL, NULL, NULL, '2025-11-29 15:42:18.470127+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('b560c21c-f75b-4764-9910-f92d62543bb2', 'cf209c13-f1d6-468a-b11e-e815c9389460', NULL, '11111111-1111-4111-8111-111111111111', 'job_status_changed', '{"operation": "UPDATE", "record_id": "J-2025", "new_status": "Completed", "old_status": "In Progress", "table_name": "jobs"}', 'pending', NULL, NULL, NULL, NULL, NULL, '2026-11-29 13:52:19.741441+00', NULL, NULL, 4, '22222222-2222-4222-8222-222222222222', 'J-2025', 0, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, 1, NULL, NULL, 'block', NULL, NULL),
	('678da625-c129-4071-b8a9-8830f5b0201f', 'cf209c13-f1d6-468a-b11e-e815c9389460', NULL, '11111111-1111-4111-8111-111111111111', 'job_status_changed', '{"operation": "UPDATE", "record_id": "J-2026", "new_status": "Completed", "old_status": "In Progress", "table_name": "jobs"}', 'pending', NULL, NULL, NULL, NULL, NULL, '2026-11-29 13:52:19.769468+00', NULL, NULL, 6, '22222222-2222-4222-8222-222222222222', 'J-2026', 0, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, 1, NULL, NULL, 'block', NULL, NULL),
	('0531a1f5-8ef9-43d8-b313-a3473ed4a652', 'cf209c13-f1d6-468a-b11e-e815c9389460', NULL, '11111111-1111-4111-8111-111111111111', 'job_status_changed', '{"operation": "UPDATE", "record_id": "J-2027", "new_status": "Completed", "old_status": "In Progress", "table_name": "jobs"}', 'pending', NULL, NULL, NULL, NULL, NULL, '2026-11-29 13:52:19.785459+00', NULL, NULL, 8, '22222222-2222-4222-8222-222222222222', 'J-2027', 0, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, 1, NULL, NULL, 'block', NULL, NULL),
	('768db4f1-618f-4326-a752-b21ad4103427', 'e1c423d5-75ff-4a1f-8b2d-92b16a0102c6', NULL, '11111111-1111-4111-8111-111111111111', 'job_completed', '{"operation": "UPDATE", "record_id": "J-2024", "new_status": "Completed", "old_status": "In Progress", "table_name": "jobs"}', 'completed', '[{"at": "2026-11-29T13:52:24.514818+00:00", "name": "1 (email)", "type": "email", "result": {"recipient": "hotel@example.com"}, "status": "success", "stepId": "1"}]', NULL, NULL, '2026-11-29 13:52:20.514818+00', '2026-11-29 13:52:23.514818+00', '2026-11-29 13:52:19.68211+00', NULL, NULL, 2, '22222222-2222-4222-8222-222222222222', 'J-2024', 1, 5, 0, NULL, '93d94c0b-6dcb-4176-afeb-1213370da4c2', NULL, 'app-1:100', NULL, NULL, NULL, NULL, 0, 2, NULL, NULL, NULL, '2026-11-29 13:52:20.514818+00', NULL),
	('49a20b37-aa88-4ec5-a9ef-4bcd3b83f6ae', 'e1c423d5-75ff-4a1f-8b2d-92b16a0102c6', NULL, '11111111-1111-4111-8111-111111111111', 'job_completed', '{"operation": "UPDATE", "record_id": "J-2027", "new_status": "Completed", "old_status": "In Progress", "table_name": "jobs"}', 'failed', '[]', NULL, NULL, '2026-11-29 13:52:39.514818+00', '2026-11-29 13:52:41.514818+00', '2026-11-29 13:52:19.785459+00', NULL, NULL, 8, '22222222-2222-4222-8222-222222222222', 'J-2027', 1, 5, 0, NULL, 'c71a69c7-6029-47ef-903b-27b1bb90951b', NULL, 'app-1:100', 'uncertain_send', NULL, '1', NULL, 0, 2, NULL, NULL, NULL, '2026-11-29 13:52:39.514818+00', NULL),
	('fa390578-6ddf-4b6f-a8cc-489e41746c34', 'cf209c13-f1d6-468a-b11e-e815c9389460', NULL, '11111111-1111-4111-8111-111111111111', 'job_status_changed', '{"operation": "UPDATE", "record_id": "J-2024", "new_status": "Completed", "old_status": "In Progress", "table_name": "jobs"}', 'pending', '[]', NULL, NULL, '2026-11-29 13:52:59.514818+00', NULL, '2026-11-29 13:52:19.68211+00', NULL, NULL, 2, '22222222-2222-4222-8222-222222222222', 'J-2024', 0, 5, 0, '2026-11-30 13:53:00.514818+00', 'b996e425-348d-4248-a8b2-c67050bc9f0c', NULL, 'app-1:100', 'waiting', 'waits for 1 day', '1', NULL, 0, 1, NULL, NULL, 'block', '2026-11-29 13:52:59.514818+00', '[{"at": "2026-11-29T13:53:00.514818+00:00", "due": "2026-11-30T13:53:00.514818+00:00", "code": "waiting", "what": "wait", "began": "2026-11-29T13:52:59.514818+00:00", "reason": "waits for 1 day", "worker": "app-1:100", "attempt": 1}]'),
	('a3d99e3b-8741-4b07-86e5-4b7c3c6f64a0', 'e1c423d5-75ff-4a1f-8b2d-92b16a0102c6', NULL, '11111111-1111-4111-8111-111111111111', 'job_completed', '{"operation": "UPDATE", "record_id": "J-2026", "new_status": "Completed", "old_status": "In Progress", "table_name": "jobs"}', 'pending', NULL, NULL, NULL, '2026-11-29 13:52:49.514818+00', NULL, '2026-11-29 13:52:19.769468+00', NULL, NULL, 6, '22222222-2222-4222-8222-222222222222', 'J-2026', 0, 5, 1, '2026-11-29 14:04:31.455994+00', NULL, NULL, 'app-1:100', 'lost_lease', 'its worker app-1:100 vanished while running it', NULL, NULL, 0, 2, NULL, NULL, NULL, '2026-11-29 13:52:49.514818+00', '[{"at": "2026-11-29T14:04:19.514818+00:00", "due": "2026-11-29T14:04:31.455994+00:00", "code": "lost_lease", "what": "lost", "began": "2026-11-29T13:52:49.514818+00:00", "reason": "its worker app-1:100 vanished while running it", "worker": "app-1:100", "attempt": 1}]'),
	('5d7c41c0-db42-4258-a33e-aaf69ca1e409', 'e1c423d5-75ff-4a1f-8b2d-92b16a0102c6', NULL, '11111111-1111-4111-8111-111111111111', 'job_completed', '{"operation": "UPDATE", "record_id": "J-2025", "new_status": "Completed", "old_status": "In Progress", "table_name": "jobs"}', 'failed', '[{"at": "2026-11-29T13:52:24.514818+00:00", "code": "refused", "name": "1 (email)", "type": "email", "error": "mailbox unknown, again", "result": {"recipient": "hotel@example.com"}, "status": "failed", "stepId": "1"}]', 'mailbox unknown, again', NULL, '2026-11-29 13:52:29.514818+00', '2026-11-29 14:02:20.514818+00', '2026-11-29 13:52:19.741441+00', NULL, NULL, 4, '22222222-2222-4222-8222-222222222222', 'J-2025', 1, 5, 0, '2026-11-29 14:00:39.514818+00', 'f29e9997-a553-4445-9d7a-22037bcd0d83', NULL, 'app-1:100', 'refused', 'mailbox unknown, again', NULL, NULL, 0, 2, NULL, NULL, NULL, '2026-11-29 14:02:19.514818+00', '[{"at": "2026-11-29T13:52:30.514818+00:00", "due": "2026-11-29T13:53:30.514818+00:00", "code": "busy", "what": "retry", "began": "2026-11-29T13:52:29.514818+00:00", "reason": "the server answered 503", "worker": "app-1:100", "attempt": 1}, {"at": "2026-11-29T13:55:40.514818+00:00", "due": "2026-11-29T13:56:40.514818+00:00", "code": "busy", "what": "retry", "began": "2026-11-29T13:55:39.514818+00:00", "reason": "the server answered 503", "worker": "app-1:100", "attempt": 2}, {"at": "2026-11-29T13:59:00.514818+00:00", "by": "retry", "due": "2026-11-29T14:00:39.514818+00:00", "code": "refused", "what": "ended", "began": "2026-11-29T13:58:59.514818+00:00", "reason": "mailbox unknown", "status": "failed", "worker": "app-1:100", "attempt": 3}]'),
	('97189bee-f680-4f81-b7b7-d147b05ea87b', 'cf209c13-f1d6-468a-b11e-e815c9389460', NULL, '11111111-1111-4111-8111-111111111111', 'job_status_changed', '{"operation": "UPDATE", "record_id": "J-2028", "new_status": "Completed", "old_status": "In Progress", "table_name": "jobs"}', 'pending', NULL, NULL, NULL, NULL, NULL, '2026-11-29 13:52:20.51748+00', NULL, NULL, 10, '22222222-2222-4222-8222-222222222222', 'J-2028', 0, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, 1, NULL, NULL, 'block', NULL, NULL),
	('d1219202-a91a-4b17-b0f5-a021c77f8cd3', 'e1c423d5-75ff-4a1f-8b2d-92b16a0102c6', NULL, '11111111-1111-4111-8111-111111111111', 'job_completed', '{"operation": "UPDATE", "record_id": "J-2028", "new_status": "Completed", "old_status": "In Progress", "table_name": "jobs"}', 'pending', NULL, NULL, NULL, NULL, NULL, '2026-11-29 13:52:20.51748+00', NULL, NULL, 10, '22222222-2222-4222-8222-222222222222', 'J-2028', 0, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, 2, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.automation_incidents VALUES
	('01a22794-0100-705a-b7fc-fcef34ed2568', 'breaker', '88436939-b585-4ac6-b9df-1c3f5d7a26ab', '', '2026-11-29 14:03:59.514818+00', '2026-11-29 14:03:59.514818+00', NULL, 1, 'the breaker paused workflow "Broken"', 'breaker: started 310 times in 1 min', NULL, NULL, '2180322d-31dc-4ed4-a696-2999ad3c5505', '2026-11-29 14:05:59.514818+00'),
	('01a22794-0100-752f-b2e0-ace8e35f7337', 'backlog', '', '', '2026-11-29 14:03:59.514818+00', '2026-11-29 14:03:59.514818+00', NULL, 1, 'the oldest due execution waits for 364 days 23 hours 16 mins 41 secs', NULL, NULL, NULL, '2180322d-31dc-4ed4-a696-2999ad3c5505', '2026-11-29 14:05:59.514818+00'),
	('01a22794-0100-7789-bc11-657ec3e9f267', 'silence', '', '', '2026-11-29 14:03:59.514818+00', '2026-11-29 14:03:59.514818+00', NULL, 1, 'no processor was here for 11 mins 45 secs', NULL, NULL, NULL, '2180322d-31dc-4ed4-a696-2999ad3c5505', '2026-11-29 14:05:59.514818+00'),
	('01a22794-0100-74e8-af2a-2c88a09e005a', 'failures', 'e1c423d5-75ff-4a1f-8b2d-92b16a0102c6', 'refused', '2026-11-29 14:03:59.514818+00', '2026-11-29 14:03:59.514818+00', NULL, 1, '1 of 3 of workflow "Thank the client" failed within 15 minutes: refused', 'mailbox unknown, again', 'opened', '2026-11-29 14:04:00.514818+00', NULL, NULL),
	('01a22794-0100-7d82-bf1e-d6dde8c73bd8', 'uncertain', '', '', '2026-11-29 14:03:59.514818+00', '2026-11-29 14:03:59.514818+00', NULL, 1, '1 send is of unknown fate', NULL, 'opened', '2026-11-29 14:04:00.514818+00', NULL, NULL);
INSERT INTO public.automation_limits VALUES
	('recipient', '', 'sms', 3, '1 day', 'drop', '2026-11-29 13:52:20.665518+00');
INSERT INTO public.automation_migrations VALUES
	('0001_tables', 'fffedb674c2a03380d36ebc5764ce01d', '2026-11-29 13:52:18.519645+00'),
	('0002_adoption', '41d3c0dd8aab8c02b43272ccf510c14a', '2026-11-29 13:52:18.519645+00'),
	('0003_actions', '2921113fa13e26746a087723391f7ca3', '2026-11-29 13:52:18.519645+00'),
	('0004_alerts', '8d7fa542e7743b80245e26fc961c0f1d', '2026-11-29 13:52:18.519645+00'),
	('0005_order', '0d8a4741f79ee0048737f119699ebaf7', '2026-11-29 13:52:18.519645+00'),
	('0006_window', 'aaaeaae90368f0328e040ee9df59de88', '2026-11-29 13:52:18.519645+00'),
	('0007_past', 'd4ffe4722f1100b48be3045caa4f06c4', '2026-11-29 13:52:18.519645+00');
INSERT INTO public.automation_opt_outs VALUES
	('sms', '+15550100', '', 'asked by phone', '2026-11-29 13:52:20.673007+00');
INSERT INTO public.automation_workers VALUES
	('app-1:100', 'worker', 'app-1', '0.1.0', false, '2026-11-29 13:52:14.514818+00', '2026-11-29 14:06:19.514818+00');
INSERT INTO public.automation_workflow_versions VALUES
	('e32b51bf-48e2-4672-a2dc-d2e4de8b0ffc', 1, '{"id": "e32b51bf-48e2-4672-a2dc-d2e4de8b0ffc", "name": "Stood before", "steps": [], "status": "active", "enabled": null, "user_id": "22222222-2222-4222-8222-222222222222", "category": null, "settings": {}, "is_active": true, "description": null, "trigger_type": "invoice_paid", "trigger_config": {}, "delivery_window": null, "organization_id": "11111111-1111-4111-8111-111111111111", "template_config": null, "trigger_conditions": null}', '2026-11-29 13:52:18.519645+00'),
	('e1c423d5-75ff-4a1f-8b2d-92b16a0102c6', 1, '{"id": "e1c423d5-75ff-4a1f-8b2d-92b16a0102c6", "name": "Thank the client", "steps": [{"type": "email", "config": {"message": "Dear {{client.name}}, job {{job.id}} is done.", "subject": "{{job.title}}: done"}}, {"type": "webhook", "config": {"url": "https://example.com/hook"}}], "status": "active", "enabled": null, "user_id": "22222222-2222-4222-8222-222222222222", "category": null, "settings": {"rate_limit": null}, "is_active": true, "description": null, "trigger_type": "job_completed", "trigger_config": {}, "delivery_window": null, "organization_id": "11111111-1111-4111-8111-111111111111", "template_config": null, "trigger_conditions": null}', '2026-11-29 13:52:19.62049+00'),
	('e1c423d5-75ff-4a1f-8b2d-92b16a0102c6', 2, '{"id": "e1c423d5-75ff-4a1f-8b2d-92b16a0102c6", "name": "Thank the client", "steps": [{"type": "email", "config": {"message": "Dear {{client.name}}, job {{job.id}} is done.", "subject": "{{job.title}}: done"}}], "status": "active", "enabled": null, "user_id": "22222222-2222-4222-8222-222222222222", "category": null, "settings": {"rate_limit": null}, "is_active": true, "description": null, "trigger_type": "job_completed", "trigger_config": {}, "delivery_window": null, "organization_id": "11111111-1111-4111-8111-111111111111", "template_config": null, "trigger_conditions": null}', '2026-11-29 13:52:19.635574+00'),
	('cf209c13-f1d6-468a-b11e-e815c9389460', 1, '{"id": "cf209c13-f1d6-468a-b11e-e815c9389460", "name": "In order", "steps": [{"type": "email", "config": {"message": "Dear {{client.name}}, job {{job.id}} is done.", "subject": "{{job.title}}: done"}}], "status": "active", "enabled": null, "user_id": "22222222-2222-4222-8222-222222222222", "category": null, "settings": {"order": "entity", "rate_limit": null, "order_waits": "block"}, "is_active": true, "description": null, "trigger_type": "job_status_changed", "trigger_config": {"toStatus": "completed"}, "delivery_window": null, "organization_id": "11111111-1111-4111-8111-111111111111", "template_config": null, "trigger_conditions": null}', '2026-11-29 13:52:19.645494+00'),
	('88436939-b585-4ac6-b9df-1c3f5d7a26ab', 1, '{"id": "88436939-b585-4ac6-b9df-1c3f5d7a26ab", "name": "Broken", "steps": [{"type": "email", "config": {"message": "Dear {{client.name}}, job {{job.id}} is done.", "subject": "{{job.title}}: done"}}], "status": "active", "enabled": null, "user_id": "22222222-2222-4222-8222-222222222222", "category": null, "settings": {}, "is_active": true, "description": null, "trigger_type": "invoice_paid", "trigger_config": {}, "delivery_window": null, "organization_id": "11111111-1111-4111-8111-111111111111", "template_config": null, "trigger_conditions": null}', '2026-11-29 13:52:20.592192+00');
INSERT INTO public.automation_workflows VALUES
	('e32b51bf-48e2-4672-a2dc-d2e4de8b0ffc', '22222222-2222-4222-8222-222222222222', '11111111-1111-4111-8111-111111111111', 'Stood before', NULL, 'active', true, NULL, NULL, 'invoice_paid', '{}', NULL, '[]', NULL, '{}', NULL, 0, NULL, '2026-11-29 13:52:18.465756+00', '2026-11-29 13:52:18.465756+00', NULL),
	('cf209c13-f1d6-468a-b11e-e815c9389460', '22222222-2222-4222-8222-222222222222', '11111111-1111-4111-8111-111111111111', 'In order', NULL, 'active', true, NULL, NULL, 'job_status_changed', '{"toStatus": "completed"}', NULL, '[{"type": "email", "config": {"subject": "{{job.title}}: done", "message": "Dear {{client.name}}, job {{job.id}} is done."}}]', NULL, '{"order": "entity", "order_waits": "block", "rate_limit": null}', NULL, 0, NULL, '2026-11-29 13:52:19.645494+00', '2026-11-29 13:52:19.645494+00', 1),
	('e1c423d5-75ff-4a1f-8b2d-92b16a0102c6', '22222222-2222-4222-8222-222222222222', '11111111-1111-4111-8111-111111111111', 'Thank the client', NULL, 'active', true, NULL, NULL, 'job_completed', '{}', NULL, '[{"type": "email", "config": {"subject": "{{job.title}}: done", "message": "Dear {{client.name}}, job {{job.id}} is done."}}]', NULL, '{"rate_limit": null}', NULL, 1, '2026-11-29 13:52:19.984148+00', '2026-11-29 13:52:19.62049+00', '2026-11-29 13:52:19.984148+00', 2),
	('88436939-b585-4ac6-b9df-1c3f5d7a26ab', '22222222-2222-4222-8222-222222222222', '11111111-1111-4111-8111-111111111111', 'Broken', NULL, 'active', true, NULL, NULL, 'invoice_paid', '{}', NULL, '[{"type": "email", "config": {"subject": "{{job.title}}: done", "message": "Dear {{client.name}}, job {{job.id}} is done."}}]', NULL, '{}', NULL, 0, NULL, '2026-11-29 13:52:20.592192+00', '2026-11-29 13:52:20.592192+00', 1);
INSERT INTO public.clients VALUES
	('C-1', '22222222-2222-4222-8222-222222222222', '11111111-1111-4111-8111-111111111111', 'Lakeview Hotel', NULL, NULL, 'hotel@example.com', NULL, NULL, NULL, NULL),
	('C-2', '22222222-2222-4222-8222-222222222222', '11111111-1111-4111-8111-111111111111', 'Corner Bakery', NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.communication_logs VALUES
	('12edfc97-602d-465b-b44c-ae8af4c2b9d6', '22222222-2222-4222-8222-222222222222', 'C-1', NULL, 'email', 'outbound', 'sent', 'a@example.com', 'b@example.com', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-11-29 13:52:18.493075+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('e22c7af0-4e93-423c-9552-b57749b58559', '22222222-2222-4222-8222-222222222222', 'C-1', NULL, 'voice', 'outbound', 'failed', 'a@example.com', 'b@example.com', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-11-29 13:52:18.493075+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('69848edb-34a1-4bbe-8890-c175a7e2df79', '22222222-2222-4222-8222-222222222222', NULL, NULL, 'email', 'outbound', 'sent', 'office@example.com', 'hotel@example.com', NULL, NULL, NULL, NULL, '<1@example.com>', '00000000000000000000000000000001', 'hotel@example.com', '2026-11-29 13:52:21.514818+00', '2026-11-29 13:52:22.514818+00', '768db4f1-618f-4326-a752-b21ad4103427', '1', 'email', '93d94c0b-6dcb-4176-afeb-1213370da4c2', '11111111-1111-4111-8111-111111111111', '2026-11-29 13:52:21.514818+00'),
	('4445092b-66e2-45d7-a482-299f48cabc2b', '22222222-2222-4222-8222-222222222222', NULL, NULL, 'email', 'outbound', 'uncertain', 'office@example.com', 'bakery@example.com', NULL, NULL, NULL, 'no answer', NULL, '00000000000000000000000000000002', 'bakery@example.com', '2026-11-29 13:52:40.514818+00', NULL, '49a20b37-aa88-4ec5-a9ef-4bcd3b83f6ae', '1', 'email', 'c71a69c7-6029-47ef-903b-27b1bb90951b', '11111111-1111-4111-8111-111111111111', '2026-11-29 13:52:40.514818+00');
INSERT INTO public.jobs VALUES
	('J-2024', '22222222-2222-4222-8222-222222222222', '11111111-1111-4111-8111-111111111111', 'C-1', 'Boiler repair', 'Completed', NULL, NULL, NULL, NULL, NULL, '2026-11-29 13:52:19.68211+00'),
	('J-2025', '22222222-2222-4222-8222-222222222222', '11111111-1111-4111-8111-111111111111', 'C-1', 'Boiler repair', 'Completed', NULL, NULL, NULL, NULL, NULL, '2026-11-29 13:52:19.741441+00'),
	('J-2026', '22222222-2222-4222-8222-222222222222', '11111111-1111-4111-8111-111111111111', 'C-1', 'Boiler repair', 'Completed', NULL, NULL, NULL, NULL, NULL, '2026-11-29 13:52:19.769468+00'),
	('J-2027', '22222222-2222-4222-8222-222222222222', '11111111-1111-4111-8111-111111111111', 'C-1', 'Boiler repair', 'Completed', NULL, NULL, NULL, NULL, NULL, '2026-11-29 13:52:19.785459+00'),
	('J-2028', '22222222-2222-4222-8222-222222222222', '11111111-1111-4111-8111-111111111111', 'C-1', 'Boiler repair', 'Completed', NULL, NULL, NULL, NULL, NULL, '2026-11-29 13:52:20.51748+00');
INSERT INTO public.organizations VALUES
	('11111111-1111-4111-8111-111111111111', 'North Heating');
INSERT INTO public.profiles VALUES
	('22222222-2222-4222-8222-222222222222', '11111111-1111-4111-8111-111111111111');
INSERT INTO public.users VALUES
	('22222222-2222-4222-8222-222222222222', 'anna@example.com');
SELECT pg_catalog.setval('minutehand.lost_events', 2, true);
SELECT pg_catalog.setval('public.automation_events_id_seq', 10, true);
ALTER TABLE ONLY minutehand.adopted
    ADD CONSTRAINT adopted_pkey PRIMARY KEY (table_name);
ALTER TABLE ONLY minutehand.backlog
    ADD CONSTRAINT backlog_pkey PRIMARY KEY (only_row);
ALTER TABLE ONLY minutehand.beats
    ADD CONSTRAINT beats_pkey PRIMARY KEY (minute);
ALTER TABLE ONLY minutehand.installed
    ADD CONSTRAINT installed_pkey PRIMARY KEY (signature);
ALTER TABLE ONLY minutehand.judged
    ADD CONSTRAINT judged_pkey PRIMARY KEY (only_row);
ALTER TABLE ONLY minutehand.resumed
    ADD CONSTRAINT resumed_pkey PRIMARY KEY (workflow_id);
ALTER TABLE ONLY public.automation_control
    ADD CONSTRAINT automation_control_pkey PRIMARY KEY (scope, target);
ALTER TABLE ONLY public.automation_events
    ADD CONSTRAINT automation_events_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.automation_execution_logs
    ADD CONSTRAINT automation_execution_logs_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.automation_incidents
    ADD CONSTRAINT automation_incidents_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.automation_limits
    ADD CONSTRAINT automation_limits_pkey PRIMARY KEY (scope, tenant, channel);
ALTER TABLE ONLY public.automation_migrations
    ADD CONSTRAINT automation_migrations_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.automation_opt_outs
    ADD CONSTRAINT automation_opt_outs_pkey PRIMARY KEY (channel, address, tenant);
ALTER TABLE ONLY public.automation_workers
    ADD CONSTRAINT automation_workers_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.automation_workflow_versions
    ADD CONSTRAINT automation_workflow_versions_pkey PRIMARY KEY (workflow_id, version);
ALTER TABLE ONLY public.automation_workflows
    ADD CONSTRAINT automation_workflows_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.clients
    ADD CONSTRAINT clients_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.communication_logs
    ADD CONSTRAINT communication_logs_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.jobs
    ADD CONSTRAINT jobs_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.organizations
    ADD CONSTRAINT organizations_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.profiles
    ADD CONSTRAINT profiles_pkey PRIMARY KEY (user_id);
ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);
CREATE UNIQUE INDEX automation_events_dedupe ON public.automation_events USING btree (dedupe_key) WHERE (dedupe_key IS NOT NULL);
CREATE INDEX automation_events_unmatched ON public.automation_events USING btree (id) WHERE (matched_at IS NULL);
CREATE INDEX automation_execution_logs_entity ON public.automation_execution_logs USING btree (entity_id, workflow_id, created_at);
CREATE UNIQUE INDEX automation_execution_logs_event ON public.automation_execution_logs USING btree (event_id, workflow_id) WHERE ((event_id IS NOT NULL) AND (replay_of IS NULL));
CREATE INDEX automation_execution_logs_foreign ON public.automation_execution_logs USING btree (id) WHERE ((status = ANY (ARRAY['processing'::text, 'running'::text])) AND (lease_expires_at IS NULL));
CREATE INDEX automation_execution_logs_leases ON public.automation_execution_logs USING btree (lease_token) WHERE (lease_expires_at IS NOT NULL);
CREATE INDEX automation_execution_logs_lines ON public.automation_execution_logs USING btree (COALESCE(entity_id, ''::text), workflow_id, (
CASE
    WHEN ((status = 'pending'::text) AND (lease_expires_at IS NULL)) THEN 1
    ELSE 0
END), COALESCE(event_id, (0)::bigint), created_at, id) WHERE ((entity_order IS NOT NULL) AND ((status = ANY (ARRAY['pending'::text, 'processing'::text, 'running'::text])) OR (lease_expires_at IS NOT NULL)) AND (NOT ((entity_order = 'step_aside'::text) AND (status = 'pending'::text) AND (COALESCE(code, ''::text) = 'waiting'::text) AND (lease_expires_at IS NULL))));
CREATE INDEX automation_execution_logs_queue ON public.automation_execution_logs USING btree (COALESCE((organization_id)::text, user_id, ''::text), COALESCE(scheduled_at, created_at), id) WHERE (status = 'pending'::text);
CREATE INDEX automation_execution_logs_recent ON public.automation_execution_logs USING btree (created_at, id);
CREATE INDEX automation_execution_logs_stale ON public.automation_execution_logs USING btree (id) WHERE ((status = 'skipped'::text) AND (code = 'stale'::text));
CREATE INDEX automation_execution_logs_suspects ON public.automation_execution_logs USING btree (COALESCE(scheduled_at, created_at), id) WHERE ((status = 'pending'::text) AND (lost_leases >= 2));
CREATE INDEX automation_execution_logs_uncertain ON public.automation_execution_logs USING btree (created_at) WHERE ((status = 'failed'::text) AND (code = 'uncertain_send'::text));
CREATE INDEX automation_execution_logs_unhappy ON public.automation_execution_logs USING btree (status, created_at, id) WHERE (status = ANY (ARRAY['failed'::text, 'skipped'::text, 'cancelled'::text]));
CREATE UNIQUE INDEX automation_incidents_open ON public.automation_incidents USING btree (kind, subject, code) WHERE (recovered_at IS NULL);
CREATE INDEX automation_incidents_opened ON public.automation_incidents USING btree (opened_at);
CREATE INDEX automation_workflows_organization ON public.automation_workflows USING btree (((organization_id)::text), trigger_type);
CREATE INDEX automation_workflows_trigger ON public.automation_workflows USING btree (trigger_type);
CREATE INDEX automation_workflows_user ON public.automation_workflows USING btree (((user_id)::text), trigger_type);
CREATE INDEX communication_logs_execution ON public.communication_logs USING btree (execution_id) WHERE (execution_id IS NOT NULL);
CREATE UNIQUE INDEX communication_logs_idempotency_key ON public.communication_logs USING btree (idempotency_key) WHERE (idempotency_key IS NOT NULL);
CREATE INDEX communication_logs_recipient ON public.communication_logs USING btree (lower("left"(recipient, 320)), reserved_at) WHERE (reserved_at IS NOT NULL);
CREATE INDEX communication_logs_recipients ON public.communication_logs USING gin (string_to_array(lower(recipient), ', '::text)) WHERE ((reserved_at IS NOT NULL) AND (recipient ~~ '%, %'::text));
CREATE INDEX communication_logs_tenant ON public.communication_logs USING btree (COALESCE(organization_id, (user_id)::text, ''::text), reserved_at) WHERE (reserved_at IS NOT NULL);
CREATE TRIGGER count_execution AFTER UPDATE ON public.automation_execution_logs FOR EACH ROW EXECUTE FUNCTION public.count_execution();
CREATE TRIGGER minutehand_capture AFTER INSERT OR DELETE OR UPDATE ON public.jobs FOR EACH ROW EXECUTE FUNCTION public.automation_capture('{"id": "id", "type": "job", "user": "user_id", "links": {"client_id": "clients"}, "status": "status", "tenant": "organization_id", "exclude": [], "writable": false}');
CREATE TRIGGER minutehand_keep_version AFTER INSERT OR UPDATE ON public.automation_workflows FOR EACH ROW EXECUTE FUNCTION minutehand.keep_version();
CREATE TRIGGER minutehand_number_version BEFORE INSERT OR UPDATE ON public.automation_workflows FOR EACH ROW EXECUTE FUNCTION minutehand.number_version();
CREATE TRIGGER minutehand_path_entered BEFORE INSERT OR UPDATE ON public.automation_execution_logs FOR EACH STATEMENT EXECUTE FUNCTION minutehand.enter_app_path();
CREATE TRIGGER minutehand_path_entered BEFORE INSERT OR UPDATE ON public.communication_logs FOR EACH STATEMENT EXECUTE FUNCTION minutehand.enter_app_path();
CREATE TRIGGER minutehand_path_left AFTER INSERT OR UPDATE ON public.automation_execution_logs FOR EACH STATEMENT EXECUTE FUNCTION minutehand.leave_app_path();
CREATE TRIGGER minutehand_path_left AFTER INSERT OR UPDATE ON public.communication_logs FOR EACH STATEMENT EXECUTE FUNCTION minutehand.leave_app_path();
CREATE TRIGGER touch_jobs BEFORE UPDATE ON public.jobs FOR EACH ROW EXECUTE FUNCTION public.touch();
CREATE TRIGGER touch_workflows BEFORE UPDATE ON public.automation_workflows FOR EACH ROW EXECUTE FUNCTION public.touch();
ALTER TABLE ONLY public.automation_execution_logs
    ADD CONSTRAINT automation_execution_logs_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES public.organizations(id);
ALTER TABLE ONLY public.automation_execution_logs
    ADD CONSTRAINT automation_execution_logs_workflow_id_fkey FOREIGN KEY (workflow_id) REFERENCES public.automation_workflows(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.automation_workflows
    ADD CONSTRAINT automation_workflows_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES public.organizations(id);
ALTER TABLE ONLY public.automation_workflows
    ADD CONSTRAINT automation_workflows_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);
ALTER TABLE ONLY public.clients
    ADD CONSTRAINT clients_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES public.organizations(id);
ALTER TABLE ONLY public.clients
    ADD CONSTRAINT clients_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);
ALTER TABLE ONLY public.communication_logs
    ADD CONSTRAINT communication_logs_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);
ALTER TABLE ONLY public.jobs
    ADD CONSTRAINT jobs_client_id_fkey FOREIGN KEY (client_id) REFERENCES public.clients(id);
ALTER TABLE ONLY public.jobs
    ADD CONSTRAINT jobs_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES public.organizations(id);
ALTER TABLE ONLY public.jobs
    ADD CONSTRAINT jobs_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);
ALTER TABLE ONLY public.profiles
    ADD CONSTRAINT profiles_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES public.organizations(id);
ALTER TABLE ONLY public.profiles
    ADD CONSTRAINT profiles_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);
CREATE POLICY "System can manage automation logs" ON public.automation_execution_logs USING (true);
ALTER TABLE public.automation_control ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.automation_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.automation_execution_logs ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.automation_incidents ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.automation_limits ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.automation_migrations ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.automation_opt_outs ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.automation_workers ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.automation_workflow_versions ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.automation_workflows ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.communication_logs ENABLE ROW LEVEL SECURITY;
CREATE POLICY "members read" ON public.automation_workflows FOR SELECT USING ((organization_id IN ( SELECT profiles.organization_id
   FROM public.profiles
  WHERE (profiles.user_id = auth.uid()))));
CREATE POLICY "own messages" ON public.communication_logs FOR SELECT USING ((auth.uid() = user_id));
CREATE POLICY "owners write" ON public.automation_workflows USING ((auth.uid() = user_id));
REVOKE ALL ON FUNCTION minutehand.adopt_claimed(p_claimed uuid[], p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.adopt_one(p_log public.automation_execution_logs, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.advance(p_items jsonb, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.app_functions() FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.append_steps(p_steps jsonb, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.as_list(p_text text) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.backoff(p_attempt integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.begin_hold(p_seconds integer, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.behind_since(p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.breaker(p_settings jsonb, OUT n integer, OUT per interval) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.candidates(p_event public.automation_events, p_single_tenant boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.cannot_fire(p_workflow public.automation_workflows) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.capture(p_config jsonb, p_table text, p_operation text, p_old jsonb, p_new jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.cause() FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.chain(p_event public.automation_events, p_workflow_id uuid, p_config jsonb, OUT depth integer, OUT reason text) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.check_direct(p_url text, p_timeout_ms integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.claimed(p_token uuid, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.clock() FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.compared(p_a jsonb, p_b jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.condition_problem(p_conditions jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.conditions(p_trigger_config jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.conditions_of(p_row jsonb, p_status text) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.confirm(p_sends jsonb, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.context(p_items jsonb, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.count_due(p_cap integer, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.counted(p_limit public.automation_limits, p_recipient text) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.cron_jobs() FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.decide(p_workflow public.automation_workflows, p_event public.automation_events, p_config jsonb, p_new jsonb, p_old jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.definition(p_workflow jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.described(p_normal jsonb, p_new jsonb, p_old jsonb, p_status_column text) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.direct() FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.direct_begun(p_log public.automation_execution_logs) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.direct_call(p_config jsonb, p_log public.automation_execution_logs) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.direct_call_now(p_config jsonb, p_id uuid) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.direct_context(p_log public.automation_execution_logs) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.direct_function() FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.direct_token() FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.direct_undo(p_id uuid) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.direct_used_by() FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.end_at_claim(p_claimed uuid[], p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.end_of(p_recorded jsonb, p_was text, p_error text, OUT status text, OUT code text, OUT reason text) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.end_unreadable(p_claimed uuid[], p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.ended(p_claimed uuid[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.enter_app_path() FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.entity_of(p_data jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.evaluate(p_conditions jsonb, p_new jsonb, p_old jsonb, p_status_column text) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.exceeded(p_tenant text, p_channel text, p_recipient text, p_key text, p_now timestamp with time zone, OUT code text, OUT until timestamp with time zone, OUT reason text, OUT is_delayed boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.excerpt(p_value jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.facts_columns(p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.facts_direct(p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.facts_functions(p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.facts_grants(p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.facts_of_workflow(p_workflow public.automation_workflows, p_words jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.facts_processors(p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.facts_queue(p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.facts_schema(p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.facts_triggers(p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.facts_vacuum(p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.facts_workflows(p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.figures_of(p_tenant text, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.filter_of(p_filter jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.find_row(p_workflow public.automation_workflows, p_table text, p_row text) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.find_table(p_table text) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.find_workflow(p_workflow text) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.first_argument(p_arguments bytea) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.first_event_since(p_time timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.fold(p_text text) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.has_item(p_list jsonb, p_value jsonb, p_is_status boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.has_record(p_recorded jsonb, p_step jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.heads(p_stop timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.hearing(p_type text) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.held_steps(p_workflow public.automation_workflows) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.hint() FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.hold_backlog(p_limit integer, p_now timestamp with time zone, OUT held integer, OUT holding boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.hold_line(p_ids uuid[], p_before timestamp with time zone, p_limit integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.holds(p_conditions jsonb, p_new jsonb, p_old jsonb, p_status_column text) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.ids_of(p_items jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.in_turn(p_ids uuid[], p_taken uuid[], p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.in_words(p_interval interval) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.install_direct() FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.instant(p_text text) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.is_json(p_text text) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.is_normal_leaf(p_node jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.is_number(p_text text) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.is_on(p_workflow public.automation_workflows) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.is_open(p_tenant text, p_workflow_id uuid, p_lost_leases integer, p_tenants text[], p_workflows text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.is_passing(p_sqlstate text) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.is_paused(p_organization_id text, p_user_id text, p_workflow_id uuid) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.is_row_on(p_row jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.judge(p_share double precision, p_age interval, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.judged(p_leaf jsonb, p_new jsonb, p_old jsonb, p_status_column text, OUT actual jsonb, OUT was jsonb, OUT held boolean, OUT problem text) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.keep_version() FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.label(p_schema text, p_table text) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.leave_app_path() FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.limit_answer(p_send jsonb, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.limit_key(p_workflow_id uuid, p_entity_id text) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.limited(p_workflow_id uuid, p_settings jsonb, p_entity_id text, p_new_status text, p_at timestamp with time zone, OUT until timestamp with time zone, OUT delay boolean, OUT reason text) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.limits_for(p_tenant text, p_channel text) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.line_key(p_entity_id text, p_workflow_id uuid) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.line_keys(p_ids uuid[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.lines() FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.links(p_relation oid, p_configured jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.lint_facts(p_workflow public.automation_workflows) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.listed(p_log public.automation_execution_logs, p_workflow text) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.lock_limits(p_sends jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.lock_lines(p_items jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.looked_back_to(p_filter jsonb, p_before timestamp with time zone, p_rows integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.match_event(p_event public.automation_events, p_config jsonb, p_deadline timestamp with time zone, p_isolate boolean, OUT problem text, OUT passing boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.match_now(p_event public.automation_events, p_config jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.meets(p_log public.automation_execution_logs, p_filter jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.message(p_reason text) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.my_organization() FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.my_user() FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.named_ids(p_filter jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.narrow_checks() FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.need_column(p_relation regclass, p_column text) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.new_status_of(p_data jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.newest_executions() FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.normal_conditions(p_node jsonb, p_depth integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.normal_leaf(p_node jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.note(p_steps jsonb, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.note_installed() FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.note_sends(p_steps jsonb, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.number_version() FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.of_a_day(p_tenant text, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.order_of(p_settings jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.order_problem(p_settings jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.organization_of(p_row jsonb, p_config jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.own_columns() FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.own_functions() FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.own_tables() FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.parts(p_items jsonb, p_name text) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.pause_subject(p_scope text, p_target text) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.pending_of(p_scope text, p_target text) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.percentiles(p_values double precision[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.promote(p_items jsonb, p_now timestamp with time zone, p_locked boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.prune(p_limit integer, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.rate_limit(p_settings jsonb, OUT n integer, OUT per interval, OUT delay boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.read_rows(p_relation oid, p_config jsonb, p_keys text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.recent_figures(p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.refuse_missing_columns(p_workflow public.automation_workflows) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.refuse_unknown_columns(p_workflow jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.remember(p_past jsonb, p_what text, p_began timestamp with time zone, p_at timestamp with time zone, p_said jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.remember_end(p_log public.automation_execution_logs, p_by text, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.reserve(p_sends jsonb, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.reserve_all(p_sends jsonb, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.resolution(p_step text, p_as text) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.return_lost_leases(p_limit integer, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.room_at(p_limit public.automation_limits, p_tenant text, p_address text, p_key text, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.row_of(p_workflow public.automation_workflows) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.same(p_a jsonb, p_b jsonb, p_is_status boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.same_tenant(p_row_organization_id text, p_row_user_id text, p_organization_id text, p_user_id text) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.saved_before(p_workflow jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.seconds_to_next(p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.seconds_until(p_time timestamp with time zone, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.send_row(p_key text, p_execution_id uuid, p_step text, p_channel text, p_recipient text, p_sender text, p_token uuid, p_user_id text, p_organization_id text) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.series(p_from timestamp with time zone, p_to timestamp with time zone, p_seconds integer, p_tenant text) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.set_direct_token(p_token text) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.set_direct_triggers(p_config jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.settle(p_outcomes jsonb, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.shares(p_limit integer, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.shown(p_step jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.shown_limit(p_limit public.automation_limits) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.singular(p_name text) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.slug(p_text text) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.something(p_value jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.start_execution(p_workflow public.automation_workflows, p_event public.automation_events, p_config jsonb, p_new_status text, p_old_status text) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.starts(p_from timestamp with time zone, p_to timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.state_after(p_ended text, p_steps jsonb, p_code text, p_reason text, p_more boolean, p_retry_after_seconds numeric, p_resume_step text, p_on_uncertain text, p_due_in_seconds numeric, p_recorded jsonb, p_attempt integer, p_max_attempts integer, p_was text, p_error text, p_now timestamp with time zone, OUT status text, OUT code text, OUT reason text, OUT attempt integer, OUT recorded jsonb, OUT resume_step text, OUT due timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.status_leaves(p_config jsonb, p_status text) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.status_words(p_relation regclass, p_config jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.steps_problem(p_row jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.stop_of(p_log public.automation_execution_logs, p_workflow public.automation_workflows, p_operation text, p_row jsonb, p_config jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.stops(p_workflow public.automation_workflows, p_entity_id text, p_new_status text, p_conditions jsonb, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.subject(p_log public.automation_execution_logs) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.suspects(p_limit integer, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.switches(p_workflow public.automation_workflows) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.table_of(p_data jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.table_of_type(p_type text) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.take(p_token uuid, p_limit integer, p_worker text, p_lease_seconds integer, p_max_attempts integer, p_ids jsonb, p_alone boolean, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.tenant(p_organization_id text, p_user_id text) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.tenant_column(p_relation regclass, p_asked text) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.tenant_of(p_log public.automation_execution_logs) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.tenants_due(p_limit integer, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.to_interval(p_text text) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.to_tell(p_incident public.automation_incidents, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.to_uuid(p_text text) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.trigger_steps(p_row jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.trip_breakers(p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.troubles(p_share double precision, p_age interval, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.type_of(p_relation oid, p_column text) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.unmatched_before(p_entity text, p_workflow_id uuid, p_event_id bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.unmatched_words(p_workflow public.automation_workflows, p_words jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.verdict(p_normal jsonb, p_new jsonb, p_old jsonb, p_status_column text) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.waits_for(p_log public.automation_execution_logs, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.wanted_words(p_conditions jsonb, p_status text) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.why_not_writable(p_relation oid, p_config jsonb, p_table text, p_operation text, p_values jsonb, p_log public.automation_execution_logs) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.widen_checks() FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.with_records(p_recorded jsonb, p_steps jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.words_of(p_recorded jsonb, p_undone jsonpath, OUT code text, OUT reason text) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.workflow_card(p_workflow public.automation_workflows) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.workflow_problem(p_workflow public.automation_workflows) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.write_row(p_relation oid, p_config jsonb, p_operation text, p_id text, p_values jsonb, p_log public.automation_execution_logs) FROM PUBLIC;
REVOKE ALL ON FUNCTION minutehand.write_workflow(p_old public.automation_workflows, p_workflow jsonb, p_changed text[], p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_advance(p_items jsonb, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_alerts_take(p_token uuid, p_share double precision, p_age_seconds bigint, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_alerts_told(p_token uuid, p_told jsonb, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_begin_calls(p_items jsonb, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_cancel(p_ids jsonb, p_reason text, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_capture() FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_claim(p_token uuid, p_limit integer, p_worker text, p_lease_seconds integer, p_max_attempts integer, p_ids jsonb, p_alone boolean, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_confirm_sends(p_sends jsonb, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_context(p_items jsonb, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_count(p_filter jsonb, p_cap integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_direct_off() FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_direct_on(p_url text, p_token text, p_timeout_ms integer, p_no_claim boolean, p_replace boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_direct_rotate(p_token text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_direct_status() FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_direct_sweep(p_limit integer, p_hold_seconds integer, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_doctor(p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_enqueue(p_workflow text, p_row text, p_payload jsonb, p_at timestamp with time zone, p_key text, p_dry_run boolean, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_evaluate(p_conditions jsonb, p_new jsonb, p_old jsonb, p_status_column text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_execution(p_id text, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_executions(p_filter jsonb, p_limit integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_failures(p_filter jsonb, p_limit integer, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_incidents(p_all boolean, p_limit integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_limit_set(p_scope text, p_n integer, p_per text, p_channel text, p_tenant text, p_on_exceed text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_limits() FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_match_events(p_limit integer, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_metrics(p_steps boolean, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_overview(p_tenant text, p_from timestamp with time zone, p_seconds integer, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_pause(p_scope text, p_target text, p_reason text, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_preview(p_workflow text, p_row text, p_payload jsonb, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_prune(p_keep_seconds bigint, p_limit integer, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_record_step(p_steps jsonb, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_release(p_ids jsonb, p_limit integer, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_renew(p_tokens jsonb, p_lease_seconds integer, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_reserve_sends(p_sends jsonb, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_resolve(p_ids jsonb, p_as text, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_resume(p_scope text, p_target text, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_retry(p_ids jsonb, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_schema_version() FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_search(p_filter jsonb, p_limit integer, p_before jsonb, p_rows integer, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_settle(p_outcomes jsonb, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_story(p_id text, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_tick(p_worker jsonb, p_hold_seconds integer, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_trigger_add(p_table text, p_id text, p_type text, p_status text, p_tenant text, p_exclude jsonb, p_links jsonb, p_writable boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_trigger_remove(p_table text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_triggers() FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_workflow_list(p_filter jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_workflow_save(p_workflow jsonb, p_dry_run boolean, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_workflow_show(p_workflow text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_workflow_versions(p_workflow text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.automation_write_record(p_execution_id uuid, p_token uuid, p_step jsonb, p_table text, p_operation text, p_id text, p_values jsonb, p_now timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.check_automation_rate_limit(p_job_id text, p_workflow_id uuid, p_status text) FROM PUBLIC;
