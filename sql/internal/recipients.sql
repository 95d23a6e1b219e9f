-- Recipients: the one reader of e-mail addresses and phone numbers on the SQL side.  Opt-outs pass it when they are inserted, and
-- the recipients of a send when it is reserved, so that an opt-out of ann@x.example stops `Ann <ANN@X.EXAMPLE>` as well.
-- executor/email/recipients.py and executor/sms/phone_numbers.py read the same forms for the local executor.

-- minutehand.unseen() -> text: blanks and invisible characters, which come with a copy; without the two that override the order in
-- which text is shown.
-- minutehand.invisible() -> text: those of them that nobody sees within an address.
-- minutehand.phone_blanks() -> text: those that may separate the digits of a phone number.
-- By their numbers: a database of another encoding than UTF-8 has none of them, and refuses a text that names them.
do $do$
declare
  v_sets constant jsonb := '{
    "unseen": [9, 10, 11, 12, 13, 32, 160, 173, 847, 1564, 4447, 4448, 6158, [8192, 8207], [8232, 8236], 8239, [8287, 8291],
               [8294, 8297], 12288, 12644, 65038, 65039, 65279, 65440],
    "invisible": [173, 1564, 8203, 8206, 8207, [8232, 8238], [8288, 8297], 12644, [65024, 65039], 65279],
    "phone_blanks": [160, 173, 1564, 6158, 8199, [8201, 8207], [8234, 8236], 8239, 8288, [8294, 8297], 12288, 65279]}';
  v_set record;
begin
  for v_set in
    select s.key as name, coalesce(
      string_agg(chr(n), '' order by n) filter (where n < 128 or getdatabaseencoding() = 'UTF8'), '') as characters
    from jsonb_each(v_sets) s
    cross join lateral jsonb_array_elements(s.value) as one
    cross join lateral generate_series(coalesce(one -> 0, one)::integer, coalesce(one -> 1, one)::integer) as n
    group by s.key
  loop
    execute format(
      'create or replace function minutehand.%I() returns text language sql immutable parallel safe as $$ select %L::text $$',
      v_set.name, v_set.characters);
  end loop;
end
$do$;

-- minutehand.trim_unseen(text) -> the text without blanks and invisible characters at its ends.
create or replace function minutehand.trim_unseen(p_text text) returns text
language sql immutable as $$
  select trim(both minutehand.unseen() from p_text)
$$;

-- minutehand.punycode(label) -> text: a label of a domain name in ASCII, without `xn--` (RFC 3492 §6.3).
create or replace function minutehand.punycode(p_label text) returns text
language plpgsql immutable strict set search_path = pg_catalog, pg_temp as $$
declare
  v_points constant integer[] := array(select ascii(c) from unnest(string_to_array(p_label, null)) as c);
  v_basic constant text := array_to_string(array(select chr(p) from unnest(v_points) as p where p < 128), '');
  v_written text := v_basic || case when v_basic <> '' then '-' else '' end;
  v_done integer := length(v_basic);
  v_n bigint := 128;
  v_delta bigint := 0;
  v_bias integer := 72;
  v_next integer;
  v_point integer;
  v_q bigint;
  v_k integer;
  v_t integer;
begin
  while v_done < cardinality(v_points) loop
    v_next := (select min(p) from unnest(v_points) as p where p >= v_n);
    v_delta := v_delta + (v_next - v_n) * (v_done + 1);
    v_n := v_next;
    foreach v_point in array v_points loop
      if v_point < v_n then
        v_delta := v_delta + 1;
      elsif v_point = v_n then
        v_q := v_delta;
        v_k := 36;
        loop
          v_t := least(greatest(v_k - v_bias, 1), 26);
          exit when v_q < v_t;
          v_written := v_written || substr('abcdefghijklmnopqrstuvwxyz0123456789', (v_t + (v_q - v_t) % (36 - v_t))::integer + 1, 1);
          v_q := (v_q - v_t) / (36 - v_t);
          v_k := v_k + 36;
        end loop;
        v_written := v_written || substr('abcdefghijklmnopqrstuvwxyz0123456789', v_q::integer + 1, 1);
        v_delta := v_delta / case when v_done = length(v_basic) then 700 else 2 end;
        v_done := v_done + 1;
        v_delta := v_delta + v_delta / v_done;
        v_k := 0;
        while v_delta > 455 loop
          v_delta := v_delta / 35;
          v_k := v_k + 36;
        end loop;
        v_bias := (v_k + 36 * v_delta / (v_delta + 38))::integer;
        v_delta := 0;
      end if;
    end loop;
    v_delta := v_delta + 1;
    v_n := v_n + 1;
  end loop;
  return v_written;
end
$$;

-- minutehand.ascii_domain(domain) -> text: as DNS has it, in small letters: bücher.example is xn--bcher-kva.example.
create or replace function minutehand.ascii_domain(p_domain text) returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select case when p_domain ~ '^[ -~]*$' or getdatabaseencoding() <> 'UTF8' then lower(p_domain collate "C") else (
    select string_agg(case when l.label ~ '^[ -~]*$' then l.label else 'xn--' || minutehand.punycode(l.label) end, '.' order by l.nr)
    from unnest(string_to_array(
      translate(minutehand.fold_case(normalize(left(p_domain, 253), nfkc)), '。．｡', '...'), '.')
    ) with ordinality as l (label, nr)) end
$$;

-- minutehand.read_email(text) -> (address, problem): one e-mail address, also as `Ann <ann@x.example>` or mailto:, in the form that
-- is compared: small letters, the domain in ASCII.  Or else `problem`, which says what to write.
create or replace function minutehand.read_email(p_text text, out address text, out problem text)
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
  v_text text := minutehand.trim_unseen(left(p_text, 2000));
  v_shown constant text := left(v_text, 320);
  v_local text;
  v_domain text;
begin
  if v_text ~ '[<>]' then
    v_text := minutehand.trim_unseen((regexp_match(v_text, E'^(?:"[^"\r\n]*"|[^<>":\r\n])*<([^<>]*)>$'))[1]);
  end if;
  if v_text ~* '^mailto:' then
    v_text := minutehand.trim_unseen(split_part(substr(v_text, 8), '?', 1));
  end if;
  if translate(v_text, minutehand.invisible(), '') <> v_text then
    problem := format('%s contains an invisible character: type it again', v_shown);
    return;
  elsif coalesce(v_text, '') ~ '[,;]' or v_text ~ '@[^@]*\s[^@]*@' then
    problem := format('%s is more than one address: write a row for each', v_shown);
    return;
  end if;
  v_local := substr(v_text, 1, length(v_text) - strpos(reverse(v_text), '@'));
  v_domain := minutehand.ascii_domain(substr(v_text, length(v_local) + 2));
  if strpos(v_text, '@') > 0 and length(v_local) <= 64 and length(v_domain) <= 253
     and v_local ~ '^[A-Za-z0-9!#$%&''*+/=?^_`{|}~-]+([.][A-Za-z0-9!#$%&''*+/=?^_`{|}~-]+)*$'
     and v_domain ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?([.][a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$' then
    address := lower(v_local collate "C") || '@' || v_domain;
  else
    problem := format('%L is not an e-mail address: write it as ann@example.com', v_shown);
  end if;
end
$$;

-- minutehand.read_phone(text) -> (address, problem): one phone number in E.164: `+1 (202) 555-0123`, `0049 30 901820`, tel:….  A 0
-- after the country code is dropped in parentheses, kept where numbers have one, else refused: it depends on the country.
create or replace function minutehand.read_phone(p_text text, out address text, out problem text)
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
  v_text text := translate(left(p_text, 200), '０１２３４５６７８９＋', '0123456789+');
  v_shown constant text := left(minutehand.trim_unseen(p_text), 64);
  v_country text;
  v_zeros constant text[] :=  -- where numbers may begin with 0
    '{39,47,225,227,229,241,242,247,267,268,378,501,676,679,687,853}';
  v_has_zero constant boolean := p_text ~ '\(\s*0\s*\)';
begin
  v_text := translate(v_text, minutehand.phone_blanks(), ' ');
  v_text := regexp_replace(minutehand.trim_unseen(v_text), '^(tel|sms|phone):\s*', '', 'i');
  v_text := regexp_replace(regexp_replace(v_text, '\(\s*0\s*\)', '', 'g'), '[ \t().\-‐‑‒–—―−/·]', '', 'g');
  v_text := regexp_replace(v_text, '^00', '+');
  v_country := substr(v_text, 2, case
    when v_text ~ '^\+[17]' then 1
    when v_text ~ '^\+(2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58])' then 2
    else 3 end);
  if v_text ~ '^\d{4,15}$' then
    problem := format('%s has no country code: write it with + and the code, as in +12025550123', v_shown);
  elsif v_text !~ '^\+[1-9]\d{6,14}$' then
    problem := format('%L is not a phone number: write it with + and the country code, as in +12025550123', v_shown);
  elsif v_text ~ '^\+((11|78)\d{10}|3708\d{8}|3758\d{9}|6921\d{7}|9938\d{8})$' or v_has_zero and v_country = any (v_zeros)
     or not v_has_zero and v_country <> all (v_zeros) and substr(v_text, length(v_country) + 2) ~ '^0' then
    problem := format('%s has a digit after the country code that is dialled only within the country: leave it out', v_shown);
  else
    address := v_text;
  end if;
end
$$;

-- minutehand.opt_out_channel(text) -> text: the channel of an opt-out: `E-Mail` is email, `text` is sms, nothing is all; a plug-in's
-- own name stays, in small letters.
create or replace function minutehand.opt_out_channel(p_text text) returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select case
    when word in ('', 'all', 'any', 'both', '*', 'everything') then 'all'
    when word in ('email', 'emails', 'mail', 'mails') then 'email'
    when word in ('sms', 'text', 'texts', 'textmessage', 'textmessages', 'phone', 'mobile') then 'sms'
    else name end
  from (select translate(n.name, ' -_', '') as word, n.name
        from (select minutehand.fold_case(coalesce(minutehand.trim_unseen(left(p_text, 100)), '')) as name) n) w
$$;

-- minutehand.read_opt_out(channel, address) -> (channel, address, problem), the first two as they are compared.
create or replace function minutehand.read_opt_out(
  p_channel text, p_address text, out channel text, out address text, out problem text
) language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
  channel := minutehand.opt_out_channel(p_channel);
  if channel = 'email' or channel = 'all' and p_address ~ '@' then
    select r.address, r.problem into address, problem from minutehand.read_email(p_address) r;
  elsif channel in ('sms', 'all') then
    select r.address, r.problem into address, problem from minutehand.read_phone(p_address) r;
  else
    address := minutehand.fold_case(minutehand.trim_unseen(p_address));
    problem := case when address = '' then 'the address is empty' end;
  end if;
  if p_address is null then
    problem := 'the address is null: write an e-mail address or a phone number';
  end if;
end
$$;

-- minutehand.read_recipients(channel, recipient) -> (written, address): who gets a send, each as written and as compared.
-- `"Lee, Ann" <ann@x.example>; b@x.example` are two.  What cannot be read is compared as it is.
create or replace function minutehand.read_recipients(p_channel text, p_recipient text)
returns table (written text, address text) language sql immutable rows 2 set search_path = pg_catalog, pg_temp as $$
  select p.written, coalesce(
    case when p.written ~ '^[A-Za-z0-9.+_-]+@[A-Za-z0-9.-]+$' or p.written ~ '^\+[1-9]\d{6,14}$' then lower(p.written collate "C")
      when p_channel = 'email' then (minutehand.read_email(p.written)).address
      when p_channel = 'sms' then (minutehand.read_phone(p.written)).address end,
    minutehand.fold_case(p.written))
  from (
    select minutehand.trim_unseen(part) as written
    from unnest(case
      when p_recipient !~ '[";<]' then string_to_array(p_recipient, ',')
      else array(select m[1] from regexp_matches(p_recipient, '((?:"[^"]*"|<[^>]*>|[^,;"<])+)', 'g') as m) end) as part
  ) p
  where p.written <> ''
$$;

-- minutehand.opted_out(tenant, channel, recipient) -> text[]: those of the recipients of a send who opted out, as written there;
-- null: nobody.
create or replace function minutehand.opted_out(p_tenant text, p_channel text, p_recipient text) returns text[]
language sql stable set search_path = pg_catalog, pg_temp as $$
  select array_agg(distinct r.written)
  from minutehand.read_recipients(p_channel, p_recipient) r
  join public.automation_opt_outs o on o.address = r.address
  where o.channel in (p_channel, 'all') and o.tenant in ('', p_tenant)
$$;

-- minutehand.plain_sends(sends) -> the sends of an executor of the app's, their e-mail and SMS recipients as `a@x.example, b@x.example`,
-- so that limits and records know them by the same name.  What cannot be read stays.
create or replace function minutehand.plain_sends(p_sends jsonb) returns jsonb
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select coalesce(jsonb_agg(case
    when s.send ->> 'channel' in ('email', 'sms') and s.send ->> 'recipient' ~ '[^A-Za-z0-9@.+_, -]' then s.send || jsonb_build_object(
      'recipient', (select string_agg(r.address, ', ' order by r.address) from minutehand.read_recipients(
        s.send ->> 'channel', s.send ->> 'recipient') r))
    else s.send end order by s.nr), '[]')
  from jsonb_array_elements(p_sends) with ordinality as s (send, nr)
$$;

-- minutehand.opt_out_address(channel, address) -> text: the address as it is compared.  Errors: MH400, with what to write.
create or replace function minutehand.opt_out_address(p_channel text, p_address text) returns text
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
  v_read record;
begin
  select * into v_read from minutehand.read_opt_out(p_channel, p_address);
  if v_read.problem is not null then
    raise exception 'the opt-out cannot be read: %', v_read.problem
      using errcode = 'MH400', hint = 'The channel is email, sms or all; the address is one e-mail address, or one phone number with '
        '+ and the country code.';
  end if;
  return v_read.address;
end
$$;

-- minutehand.read_opt_out_row(): trigger function.  An opt-out is kept as it is compared, or refused with what to write: one that
-- matches nobody would be worse than none.
create or replace function minutehand.read_opt_out_row() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  new.address := minutehand.opt_out_address(new.channel, new.address);
  new.channel := minutehand.opt_out_channel(new.channel);
  new.tenant := coalesce(minutehand.trim_unseen(new.tenant), '');
  return new;
end
$$;

-- minutehand.reread_opt_outs(): rows from before the trigger are kept as they are compared.  Those that cannot be read stay, and
-- doctor counts them.
create or replace function minutehand.reread_opt_outs() returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  with unread as (
    select o.ctid as place, o.channel, o.address, o.tenant, r.channel as read_channel, r.address as read_address,
           row_number() over (partition by r.channel, r.address, o.tenant order by (r.channel, r.address) = (o.channel, o.address) desc)
             as nr
    from public.automation_opt_outs o
    cross join lateral minutehand.read_opt_out(o.channel, o.address) r
    where r.problem is null
  ), doubles as (
    delete from public.automation_opt_outs o using unread u where u.nr > 1 and o.ctid = u.place
  )
  update public.automation_opt_outs o
  set channel = u.read_channel, address = u.read_address
  from unread u
  where u.nr = 1 and o.ctid = u.place and (u.read_channel, u.read_address) <> (o.channel, o.address);
end
$$;

do $$
begin
  if not exists (
    select from pg_catalog.pg_trigger
    where tgrelid = 'public.automation_opt_outs'::regclass and tgname = 'minutehand_read_opt_out'
      and tgfoid = to_regprocedure('minutehand.read_opt_out_row()')
  ) then
    perform minutehand.reread_opt_outs();
    create or replace trigger minutehand_read_opt_out before insert or update on public.automation_opt_outs
      for each row execute function minutehand.read_opt_out_row();
  end if;
end
$$;
