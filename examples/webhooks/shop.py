"""The application: customers order, and change their minds; some transactions come to nothing."""

from collections import Counter

import psycopg

INSERT = "insert into orders (customer, item, version) values (%s, %s, %s)"
UPDATE = """
    update orders set item = 'another', version = %s where id = (select max(id) from orders where customer = %s)"""
EVERY_FIFTH_IS_CHANGED = 5


class Shop:
    """Writes the table. expected: of each customer, how many versions there are."""

    def __init__(self, connection: psycopg.Connection[tuple[object, ...]], customers: int) -> None:
        self._connection, self._customers = connection, [f"customer {n:02}" for n in range(1, customers + 1)]
        self._orders = 0
        self.expected: Counter[str] = Counter()

    def order(self, count: int) -> None:
        """So many new orders, ten to a transaction, and a change of every fifth; and one transaction that is rolled back."""
        for first in range(0, count, 10):
            with self._connection.transaction():
                for _ in range(min(10, count - first)):
                    self._one()
        with self._connection.transaction(force_rollback=True):
            self._connection.execute(INSERT, [self._customers[0], "nothing", -1])

    def _one(self) -> None:
        customer = self._customers[self._orders % len(self._customers)]
        self._orders += 1
        self.expected[customer] += 1
        self._connection.execute(INSERT, [customer, "tea", self.expected[customer]])
        if self._orders % EVERY_FIFTH_IS_CHANGED == 0:
            self.expected[customer] += 1
            self._connection.execute(UPDATE, [self.expected[customer], customer])
