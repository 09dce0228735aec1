-- maintain(): upkeep of all partitioned queues, for those who want it by the clock, also of queues where nobody sends:
-- `select hanjul.maintain()` from cron. The queues whose partitions somebody was in the way of; they want it again.
create or replace function hanjul.maintain()
returns setof text language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if to_regclass('pgmq.partitioning') is null then  -- the extension pgmq is in charge
        return;
    end if;
    return query
        select p.queue_name::text from (select distinct t.queue_name from pgmq.partitioning t order by 1) p
        where not pgmq.maintain_partitions(p.queue_name);
end
$$;
