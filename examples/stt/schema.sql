-- The application's own table: recordings, and what was said in them.
create table if not exists sessions (
    id bigint generated always as identity primary key,
    filename text not null,
    audio bytea not null,
    transcript text,
    uploaded_at timestamptz not null default now(),
    transcribed_at timestamptz
);
alter table sessions alter column audio set storage external;  -- sound does not compress: do not try
