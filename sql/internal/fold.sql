-- The fold: the one way in which letters of either case are one, for statuses, conditions, addresses and names.
-- It has a collation of its own.  The database's must not decide: in one of locale C only ASCII has two cases, and in a
-- Turkish one INVOICED is no spelling of invoiced.  Nor must the argument's: a column name or tg_table_name has type name,
-- whose collation is C.  Every result has collation C, so that it is compared byte by byte.

-- minutehand.fold_collation() -> text: the best collation that this database has for the case of letters, each with the whole of
-- Unicode and no language's rules.  A build may lack ICU, the built-in ones need PostgreSQL 17 or 18, and both need an
-- encoding that they know.
create or replace function minutehand.fold_collation() returns text
language sql stable set search_path = '' as $$
  select coalesce(
    (
      select c.collname
      from (values ('pg_unicode_fast', 1), ('und-x-icu', 2), ('pg_c_utf8', 3), ('C.utf8', 4), ('C.UTF-8', 5)) as known (name, nr)
      join pg_catalog.pg_collation c on c.collname = known.name and c.collnamespace = 'pg_catalog'::regnamespace
      where c.collencoding in (-1, (select d.encoding from pg_catalog.pg_database d where d.datname = current_database()))
        and getdatabaseencoding() <> 'SQL_ASCII'
      order by known.nr
      limit 1),
    case when lower('I' collate "default") = 'i' then 'default' else 'C' end)
$$;

-- minutehand.fold_case(text) -> text in lower case, NFC.  Turkish İ is i; ı is a letter of its own.
-- minutehand.separators() -> what separates the words of a status, as a class of a regular expression: spaces and punctuation by
-- name, not "all but alphanumeric", so that no script's letters go.
do $do$
declare
  v_is_unicode constant boolean := getdatabaseencoding() = 'UTF8';
begin
  execute format(
    $sql$create or replace function minutehand.fold_case(p_text text) returns text
    language sql immutable parallel safe as $$ select %s collate pg_catalog."C" $$ $sql$,
    format(case when v_is_unicode then $$replace(lower(normalize(p_text, NFC) collate pg_catalog.%I), 'i' || chr(775), 'i')$$
      else 'lower(p_text collate pg_catalog.%I)' end, minutehand.fold_collation()));
  execute format(
    'create or replace function minutehand.separators() returns text language sql immutable parallel safe as $$ select %L::text $$',
    '[[:space:][:punct:]' || case when v_is_unicode then
      '\u0085\u00A0\u00A1\u00A7\u00AB\u00AD\u00B6\u00B7\u00BB\u00BF\u055A-\u055F\u0589\u058A\u05BE\u060C\u061B\u061F\u066A-\u066D'
      '\u06D4\u0964\u0965\u1680\u2000-\u206F\u3000-\u3003\u3008-\u3011\u3014-\u301F\u3030\u30FB\uFE10-\uFE6B\uFEFF\uFF01-\uFF0F'
      '\uFF1A-\uFF20\uFF3B-\uFF40\uFF5B-\uFF65' else '' end || ']');
end
$do$;

-- minutehand.fold(text) -> a status as it is compared: "In Progress", in_progress and IN-PROGRESS are one, cancelled and canceled
-- too, and what capital letters cannot tell apart: Turkish ı and i, Greek ς and σ.  A status of separators alone is kept.
-- Nearly every status has only the letters and separators of the first branch, which says the same for a tenth of the time: it
-- runs in the app's own UPDATE.
create or replace function minutehand.fold(p_text text) returns text
language sql immutable as $$
  select replace(
    coalesce(
      nullif(case when p_text collate pg_catalog."C" !~ '[^A-Za-z0-9 _-]'
        then replace(replace(replace(lower(p_text collate pg_catalog."C"), ' ', ''), '_', ''), '-', '')
        else minutehand.fold_capitals(regexp_replace(
          minutehand.fold_case(p_text) collate pg_catalog."C", minutehand.separators(), '', 'g')) end, ''),
      minutehand.fold_case(p_text)),
    'cancelled', 'canceled') collate pg_catalog."C"
$$;

do $do$
begin
  execute format(
    'create or replace function minutehand.fold_capitals(p_text text) returns text language sql immutable parallel safe as '
    '$$ select %s $$', case when getdatabaseencoding() = 'UTF8' then $$translate(p_text, chr(305) || chr(962), 'i' || chr(963))$$ else 'p_text' end);
end
$do$;

-- minutehand.slug(text) -> a status as it appears in the name of a type: "In Progress" -> in_progress.  The first branch as in fold.
create or replace function minutehand.slug(p_text text) returns text
language sql immutable as $$
  select trim(both '_' from case when p_text collate pg_catalog."C" !~ '[^A-Za-z0-9 _-]|[ _-][ _-]'
    then translate(lower(p_text collate pg_catalog."C"), ' -', '__')
    else regexp_replace(
      minutehand.fold_case(p_text) collate pg_catalog."C", minutehand.separators() || '+', '_', 'g') end) collate pg_catalog."C"
$$;
