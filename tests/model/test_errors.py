"""The tree of errors, and what they say."""

import hanjul
from hanjul.model import errors


def _all() -> list[type[Exception]]:
    return [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]


def test_every_error_is_one_of_hanjul_and_drawn_in_the_tree() -> None:
    for error in _all():
        assert issubclass(error, hanjul.HanjulError)
        assert error.__doc__
        assert error.__name__ in (errors.__doc__ or "")


def test_every_error_can_be_imported_from_the_front_door() -> None:
    assert [error.__name__ for error in _all() if not hasattr(hanjul, error.__name__)] == []


def test_errors_are_pythons_own_kinds_too() -> None:
    assert issubclass(hanjul.BadInput, ValueError)
    assert issubclass(hanjul.NotFound, LookupError)
    assert issubclass(hanjul.InvalidSettings, ValueError)


def test_a_missing_queue_says_what_to_do() -> None:
    assert (
        str(hanjul.QueueNotFound("mail"))
        == "queue 'mail' does not exist; create it with queues.create('mail') or `hanjul queue create`"
    )


def test_a_lost_lease_says_who_holds_it() -> None:
    assert (
        str(hanjul.LeaseLost("mail", 7, 1, 2))
        == "message 7 of queue 'mail': the lease of attempt 1 is lost; attempt 2 holds it now"
    )
    assert str(hanjul.LeaseLost("mail", 7, 1, None)).endswith("it is no longer in the queue")
