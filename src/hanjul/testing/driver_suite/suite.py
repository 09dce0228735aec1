"""The whole suite in one class."""

from hanjul.testing.driver_suite.attempts import Attempts
from hanjul.testing.driver_suite.flow import Flow
from hanjul.testing.driver_suite.grouping import Grouping
from hanjul.testing.driver_suite.leases import Leases
from hanjul.testing.driver_suite.limits import Limits
from hanjul.testing.driver_suite.order import Order
from hanjul.testing.driver_suite.outcomes import Outcomes
from hanjul.testing.driver_suite.settlement import Settlement
from hanjul.testing.driver_suite.stopping import Stopping
from hanjul.testing.driver_suite.topics import Topics


class DriverSuite(Flow, Limits, Outcomes, Settlement, Attempts, Leases, Stopping, Grouping, Order, Topics):
    """Every rule of the loop. Give it a fixture `harness`."""
