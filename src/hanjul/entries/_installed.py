"""Imported before all that needs PyYAML and Pydantic: where one is missing, this says what to install."""

from importlib.util import find_spec

from hanjul.model.errors import InvalidSettings

if missing := [package for module, package in (("pydantic", "pydantic"), ("yaml", "pyyaml")) if find_spec(module) is None]:
    raise InvalidSettings(f"entries in YAML need {' and '.join(missing)}: pip install 'hanjul[yaml]'")
