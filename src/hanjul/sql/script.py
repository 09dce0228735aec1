"""The whole schema as one text: to paste into a SQL editor, or to install as an extension's script."""

from hanjul.sql.files import FunctionFile, Migration, functions, functions_mark, migrations, registry

ADVISORY_LOCK = 7521962890431
"""The key under which one migrate waits for another."""

EXTENSIONS = {"pgmq": ("pgmq", "1.13.0"), "net": ("pg_net", "0.20.4")}
"""Schema -> the extension whose API it has, and the release of that; clients read it from pg_extension."""


def has_functions(schema: str) -> str:
    """An SQL condition: somebody has put functions into the schema."""
    return f"""\
exists (select from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace where n.nspname = '{schema}')"""


def is_foreign(schema: str) -> str:
    """An SQL condition: it holds functions that we did not install: the extension, or its SQL, is in charge."""
    return f"({has_functions(schema)} and not exists (select from hanjul.migration where name = '{schema}'))"


_HEAD = """\
-- hanjul: everything that `hanjul migrate` installs, in one transaction. Safe to run again.
begin;
set local client_min_messages = warning;
set local search_path = pg_catalog, pg_temp;
select pg_catalog.pg_advisory_xact_lock({lock});
"""

_REFUSE = """
do $hanjul_step$
begin
    if exists (select from hanjul.migration where number > {newest}) then
        raise exception 'this database has migration %, this file knows {newest}: its schema is newer; nothing was changed',
            (select max(number) from hanjul.migration);
    end if;
    if exists (select from hanjul.migration m join (values {known}) k (number, checksum) using (number)
               where m.checksum <> k.checksum) then
        raise exception 'a migration of this database is not the one in this file: it was edited; nothing was changed';
    end if;
end
$hanjul_step$;
"""

_STEP = """
do $hanjul_step$
begin
    if {skip} then return; end if;
    execute $hanjul_text$
{text}
$hanjul_text$;{then}
end
$hanjul_step$;
"""

_APPLIED = "\n    insert into hanjul.migration (number, name, checksum) values ({number}, '{name}', '{checksum}');"

_CONTROL = """\
comment = '{comment}'
default_version = '{version}'
relocatable = false
superuser = false
"""

_COMMENTS = {
    "pgmq": "message queues: the API of PGMQ, by hanjul",
    "net": "asynchronous HTTP: the API of pg_net, by hanjul",
}

_EXTENSION_HEAD = """\
-- CREATE EXTENSION {extension}, as hanjul ships it: installs the schema if it is not there yet, and then lets go of every
-- object, so that DROP EXTENSION drops nothing, pg_dump dumps every table, and `hanjul migrate` stays in charge.
select pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true),
       pg_catalog.set_config('hanjul.installed', (to_regclass('hanjul.migration') is not null)::text, true);
"""

_LET_GO = """
do $hanjul_step$
declare
    member record;
begin
    if not {has_functions} then
        raise exception 'the schema of hanjul in this database is older, and has no schema {schema}: run hanjul migrate';
    end if;
    for member in
        select o.type, o.identity
        from pg_catalog.pg_depend d
        join pg_catalog.pg_extension e on e.oid = d.refobjid and d.refclassid = 'pg_catalog.pg_extension'::regclass
        cross join lateral pg_catalog.pg_identify_object(d.classid, d.objid, d.objsubid) o
        where e.extname = '{extension}' and d.deptype = 'e'
          and o.type in ('schema', 'function', 'table', 'view', 'sequence', 'type')
          and not exists (  -- the types of rows and arrays go with their tables and elements
              select from pg_catalog.pg_type t left join pg_catalog.pg_class c on c.oid = t.typrelid
              where d.classid = 'pg_catalog.pg_type'::regclass and t.oid = d.objid
                and (t.typcategory = 'A' or c.relkind <> 'c'))
    loop
        execute pg_catalog.format('alter extension {extension} drop %s %s', member.type, member.identity);
    end loop;
end
$hanjul_step$;
"""


def install_script() -> str:
    """All migrations and functions, each guarded, in one transaction."""
    return (
        _HEAD.format(lock=ADVISORY_LOCK)
        + registry()
        + _refusals()
        + _steps()
        + f"\ncomment on schema hanjul is '{functions_mark()}';\ncommit;\n"
    )


def extension_files() -> dict[str, str]:
    """File name -> text: what a server's `extension` directory needs for CREATE EXTENSION pgmq and pg_net.

    Each installs everything, so it does not matter which comes first.
    """
    body = registry() + _steps("current_setting('hanjul.installed')::boolean or ")
    files = {}
    for schema, (extension, version) in EXTENSIONS.items():
        files[f"{extension}.control"] = _CONTROL.format(comment=_COMMENTS[schema], version=version)
        let_go = _LET_GO.format(extension=extension, schema=schema, has_functions=has_functions(schema))
        files[f"{extension}--{version}.sql"] = _EXTENSION_HEAD.format(extension=extension) + body + let_go
    return files


def _refusals() -> str:
    known = ", ".join(f"({step.number}, '{step.checksum}')" for step in migrations())
    return _REFUSE.format(newest=len(migrations()), known=known)


def _steps(skip: str = "") -> str:
    return "".join([_migration(step, skip) for step in migrations()] + [_functions(step, skip) for step in functions()])


def _migration(step: Migration, skip: str) -> str:
    applied = f"exists (select from hanjul.migration where number = {step.number})"
    then = _APPLIED.format(number=step.number, name=step.name, checksum=step.checksum)
    return _STEP.format(skip=f"{skip}{_foreign(step)}{applied}", text=step.text.strip(), then=then)


def _functions(step: FunctionFile, skip: str) -> str:
    return _STEP.format(skip=f"{skip}{_foreign(step)}false", text=step.text.strip(), then="")


def _foreign(step: Migration | FunctionFile) -> str:
    return f"{is_foreign(step.schema)} or " if step.schema in EXTENSIONS else ""
