-- What has been applied. Made before the first migration, because it is where migrations are looked up.
do $hanjul_step$
begin
    if to_regnamespace('hanjul') is null then
        create schema hanjul;
    end if;
    if to_regclass('hanjul.migration') is null then
        create table hanjul.migration (
            number     integer primary key,
            name       text not null,
            checksum   text not null,               -- sha256 of the file, in hex
            applied_at timestamptz not null default now()
        );
        comment on table hanjul.migration is 'what `hanjul migrate` has applied; never edit by hand';
    end if;
end
$hanjul_step$;
