-- A schema that can be shown to the clients of a data API; its functions, and who may call them: pgmq_public/data_api.sql.

create schema if not exists pgmq_public;
comment on schema pgmq_public is 'the functions of pgmq that clients of a data API may be given';
