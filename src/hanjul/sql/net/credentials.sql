-- What is shown of requests to people: credentials are left out. The rows themselves stay as they are, for those who own them.

-- is_credential(name): whether a header or a parameter of this name holds what others must not read. The same as
-- is_credential in net/credentials.py.
create or replace function net.is_credential(name text)
returns boolean language sql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
    select name ~* ('(^|[-_\s])auth(orization)?([-_\s]|$)|cookie|token|secret|signature|passw|credential|(api|access|private)[-_]?key|session'
                    '|^\s*(key|sig|jwt|pw|pwd)\s*$');
$$;

-- hidden_url(url): without userinfo and without the values of such parameters. Of any text that has URLs in it, too.
create or replace function net.hidden_url(url text)
returns text language sql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
    select regexp_replace(
        regexp_replace(url, '(://)[^/?#\s]*@', '\1[hidden]@', 'g'),
        '([?&#;]((x-)?auth(orization)?|[^=&#;\s]*(cookie|token|secret|signature|passw|credential|(api|access|private)[-_]?key|session)[^=&#;\s]*|key|sig|jwt|pw|pwd)=)[^&#\s]*',
        '\1[hidden]', 'gi');
$$;

-- hidden_headers(headers): an object of headers without the values of such names. A value that only names a secret is shown:
-- `Bearer ${secret:crm}` gives nothing away.
create or replace function net.hidden_headers(headers jsonb)
returns jsonb language sql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
    select case when jsonb_typeof(headers) is distinct from 'object' then headers
                else coalesce((select jsonb_object_agg(h.key, case
                         when h.value = 'null' or h.value #>> '{}' ~ '^(\w+ )?\$\{secret:[^}]*\}$' then h.value
                         when net.is_credential(h.key) then '"[hidden]"'::jsonb
                         when jsonb_typeof(h.value) = 'string' then to_jsonb(net.hidden_url(h.value #>> '{}'))
                         else h.value end) from jsonb_each(headers) h), '{}') end;
$$;
