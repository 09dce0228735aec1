-- _planned(operation, queue_name): the queue's own function for this (pgmq/planned.sql tells of them), quoted and with
-- its schema. Null where the pgmq extension is in charge, or there is no such queue: then the statement is built at the
-- call, and the server says what is missing. One expression, as pgmq._planned is and for the same reason.
create or replace function hanjul._planned(operation text, queue_name text)
returns text language sql stable parallel safe
return to_regproc(format('pgmq.%I', case
    when octet_length(operation || '.' || lower(queue_name)) <= 63 then operation || '.' || lower(queue_name)
    else operation || '.' || md5(lower(queue_name)) end))::text;
