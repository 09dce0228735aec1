"""The SQL of hanjul: numbered migrations, and functions by family, one per file."""

from hanjul.sql.files import FunctionFile, Migration, functions, functions_mark, migrations, registry
from hanjul.sql.script import ADVISORY_LOCK, PGMQ_HAS_FUNCTIONS, extension_files, install_script

__all__ = [
    "ADVISORY_LOCK",
    "PGMQ_HAS_FUNCTIONS",
    "FunctionFile",
    "Migration",
    "extension_files",
    "functions",
    "functions_mark",
    "install_script",
    "migrations",
    "registry",
]
