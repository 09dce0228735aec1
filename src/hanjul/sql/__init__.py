"""The SQL of hanjul: numbered migrations, and functions by family, one per file."""

from hanjul.sql.files import FunctionFile, Migration, functions, functions_mark, migrations, registry
from hanjul.sql.script import ADVISORY_LOCK, EXTENSIONS, extension_files, has_functions, install_script

__all__ = [
    "ADVISORY_LOCK",
    "EXTENSIONS",
    "FunctionFile",
    "Migration",
    "extension_files",
    "functions",
    "functions_mark",
    "has_functions",
    "install_script",
    "migrations",
    "registry",
]
