"""The postgres driver does what every driver must do, where notifications arrive and where they do not."""

import pytest
from tests.drivers.conftest import PostgresHarness

from hanjul.testing.driver_suite import DriverSuite


class TestPostgres(DriverSuite):
    @pytest.fixture
    def harness(self, postgres: PostgresHarness) -> PostgresHarness:
        return postgres
