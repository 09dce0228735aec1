"""What every driver must do, as tests that a driver's author runs on it.

from hanjul.testing.driver_suite import DriverSuite

class TestMyDriver(DriverSuite):
    @pytest.fixture
    async def harness(self):
        async with my_driver() as driver:
            yield MyHarness(driver)      # fulfils driver_suite.Harness
"""

from hanjul.testing.driver_suite.attempts import Attempts
from hanjul.testing.driver_suite.flow import Flow
from hanjul.testing.driver_suite.grouping import Grouping
from hanjul.testing.driver_suite.harness import QUEUE, Dead, Harness, consuming, sent
from hanjul.testing.driver_suite.leases import Leases
from hanjul.testing.driver_suite.limits import Limits
from hanjul.testing.driver_suite.order import Order
from hanjul.testing.driver_suite.outcomes import Outcomes
from hanjul.testing.driver_suite.settlement import Settlement
from hanjul.testing.driver_suite.stopping import Stopping
from hanjul.testing.driver_suite.suite import DriverSuite

__all__ = [
    "QUEUE",
    "Attempts",
    "Dead",
    "DriverSuite",
    "Flow",
    "Grouping",
    "Harness",
    "Leases",
    "Limits",
    "Order",
    "Outcomes",
    "Settlement",
    "Stopping",
    "consuming",
    "sent",
]
