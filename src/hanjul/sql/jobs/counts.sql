-- Counting: every statement that moves jobs notes how many in job_flow; here they are added up. No screen counts jobs.

-- roll_up(): add what was noted to job_count and job_minute. By one at a time: who comes second has nothing to do.
-- SECURITY DEFINER: whoever works keeps the books, and nobody writes his own figures.
create or replace function hanjul.roll_up()
returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if not pg_try_advisory_xact_lock(1751215724, 1) then
        return;
    end if;
    with noted as materialized (delete from hanjul.job_flow returning *),
    minutes as (
        insert into hanjul.job_minute
        select date_trunc('minute', f.at, 'UTC'), f.queue, f.kind, f.to_status, sum(f.n)
        from noted f where f.to_status is not null group by 1, 2, 3, 4
        on conflict on constraint job_minute_pkey do update set n = job_minute.n + excluded.n)
    insert into hanjul.job_count
    select s.queue, s.kind, s.status, sum(s.n)
    from (select f.queue, f.kind, f.to_status as status, f.n from noted f where f.to_status is not null
          union all
          select f.queue, f.kind, f.from_status, -f.n from noted f where f.from_status is not null) s
    group by 1, 2, 3
    on conflict on constraint job_count_pkey do update set n = job_count.n + excluded.n;
end
$$;

-- job_counts(): how many jobs there are now, by queue, kind and status.
create or replace function hanjul.job_counts()
returns table (queue text, kind text, status text, n bigint)
language sql stable set search_path = pg_catalog, pg_temp as $$
    select s.queue, s.kind, s.status, sum(s.n)::bigint
    from (select c.queue, c.kind, c.status, c.n from hanjul.job_count c
          union all
          select f.queue, f.kind, f.to_status, f.n from hanjul.job_flow f where f.to_status is not null
          union all
          select f.queue, f.kind, f.from_status, -f.n from hanjul.job_flow f where f.from_status is not null) s
    group by 1, 2, 3 having sum(s.n) <> 0 order by 1, 2, 3;
$$;
