"""A write that could not be delivered is sent again, under the same key, and done once."""

from __future__ import annotations

from decimal import Decimal

import pytest

from drawdown.client import (
    Client,
    Debit,
    InsufficientCredit,
    NewDebit,
    NoAnswer,
    ServerFault,
    Unavailable,
    exchange,
)
from drawdown.client.calls import Call
from tests.client.driven import Connect
from tests.client.unreliable import Answers, Fault, Unreliable
from tests.support.answering import nobody
from tests.support.server import Tenant

FAULTS: list[Fault] = ["request lost", "reply lost", Answers(503), Answers(429), Answers(502)]


@pytest.fixture
def shaky(connect: Connect, between: Unreliable, tenant: Tenant, ada: Client) -> Client:
    """Over the unreliable network; ``ada`` has her 100 tokens."""
    return connect(between.url, tenant.test.editor.secret)


@pytest.mark.parametrize("fault", [*FAULTS, Answers(504, b"<html>")], ids=str)
def test_a_debit_is_made_once_whatever_was_lost(
    shaky: Client, between: Unreliable, ada: Client, fault: Fault
) -> None:
    """The second attempt has the key of the first, so the server knows it."""
    between.faults = [fault]
    made = shaky.debit("ada", "tokens", "1.5")
    assert ada.balance("ada", "tokens").available == Decimal("98.5")
    first, second = between.keys()
    assert first == second
    assert made.replayed == (fault == "reply lost")
    assert ada.get_debit(made.id).amount == Decimal("1.5")


def test_a_debit_is_made_once_although_its_answer_took_too_long(
    connect: Connect, between: Unreliable, tenant: Tenant, ada: Client
) -> None:
    """As often as that is the case: on a machine that is busy enough, it is more than once."""
    hasty = connect(between.url, tenant.test.editor.secret, timeout=1.0, attempts_max=20)
    between.faults = ["reply late"]
    made = hasty.debit("ada", "tokens", "1.5")
    assert ada.balance("ada", "tokens").available == Decimal("98.5")
    assert len(between.keys()) >= 2
    assert len(set(between.keys())) == 1
    assert made.replayed


def test_a_batch_is_made_once_although_its_answer_was_lost(
    shaky: Client, between: Unreliable, ada: Client
) -> None:
    between.faults = ["reply lost"]
    made = shaky.debit_many([NewDebit("ada", "tokens", 1), NewDebit("ada", "tokens", 2)])
    assert [isinstance(one, Debit) and one.replayed for one in made] == [True, True]
    assert ada.balance("ada", "tokens").available == 97
    assert between.seen[0].body == between.seen[1].body


def test_several_faults_in_a_row_are_outlived(
    shaky: Client, between: Unreliable, ada: Client
) -> None:
    between.faults = ["request lost", "reply lost", "reply lost", Answers(503)]
    shaky.debit("ada", "tokens", 1)
    assert len(set(between.keys())) == 1
    assert len(between.seen) == 5
    assert ada.balance("ada", "tokens").available == 99


def test_what_came_of_a_write_without_answer_is_known_by_asking_with_its_key(
    shaky: Client, between: Unreliable, ada: Client
) -> None:
    """The error has the key, also when the client made it."""
    between.faults = ["reply lost"] * 5
    with pytest.raises(NoAnswer) as caught:
        shaky.debit("ada", "tokens", 1)
    assert len(between.seen) == 5
    key = caught.value.idempotency_key
    assert key == between.keys()[0]
    assert shaky.debit("ada", "tokens", 1, idempotency_key=key).replayed
    assert ada.balance("ada", "tokens").available == 99


def test_a_server_that_stays_unavailable_is_said_to_be(
    connect: Connect, between: Unreliable, tenant: Tenant
) -> None:
    client = connect(between.url, tenant.test.editor.secret, attempts_max=2)
    between.faults = [Answers(503), Answers(503, b'{"code": "unavailable", "detail": "Busy."}')]
    with pytest.raises(Unavailable, match="Busy") as caught:
        client.get_customer("ada")
    assert (caught.value.status, caught.value.code) == (503, "unavailable")
    assert len(between.seen) == 2


def test_a_server_that_is_not_there_is_named(connect: Connect) -> None:
    with nobody() as url:
        client = connect(url, "sk_test_x", attempts_max=2)
        with pytest.raises(NoAnswer, match=f"{url} does not answer"):
            client.balance("ada", "usd")


def test_a_refusal_is_not_asked_again(shaky: Client, between: Unreliable) -> None:
    with pytest.raises(InsufficientCredit):
        shaky.debit("ada", "tokens", 1000)
    assert len(between.seen) == 1


def test_a_fault_of_the_server_is_not_asked_again(shaky: Client, between: Unreliable) -> None:
    between.faults = [Answers(500, b'{"code": "internal_error", "request_id": "req_1"}')]
    with pytest.raises(ServerFault) as caught:
        shaky.debit("ada", "tokens", 1)
    assert caught.value.request_id == "req_1"
    assert len(between.seen) == 1


def test_making_a_key_is_never_asked_twice(
    connect: Connect, between: Unreliable, tenant: Tenant
) -> None:
    """It takes no idempotency key: asked again, there could be two keys."""
    client = connect(between.url, tenant.test.admin.secret)
    for fault in (*FAULTS[:2], Answers(503)):
        between.faults = [fault]
        with pytest.raises(Unavailable):
            client.create_api_key("viewer")
    assert len(between.seen) == 3


def test_a_write_of_ones_own_is_sent_again_only_if_one_says_so(
    shaky: Client, between: Unreliable, ada: Client
) -> None:
    """Of ``request`` the client cannot know whether the body has a key."""
    body = {"customer": "ada", "entitlement": "tokens", "amount": "1", "idempotency_key": "mine"}
    between.faults = ["reply lost"]
    with pytest.raises(NoAnswer):
        shaky.request("POST", "/api/v1/debits", body=body)
    between.faults = ["reply lost"]
    shaky.request("POST", "/api/v1/debits", body=body, repeatable=True)
    assert len(between.seen) == 3
    assert ada.balance("ada", "tokens").available == 99


def test_pauses_grow_and_differ() -> None:
    """Twice as long each time, within bounds, and not the same for all who wait."""
    call = exchange.Attempts(_server(attempts_max=20), _call())
    pauses = [call.after_no_answer(OSError()) for _ in range(19)]
    assert 0.1 <= pauses[0] <= 0.2
    assert 0.2 <= pauses[1] <= 0.4
    assert 2.5 <= min(pauses[6:]) < max(pauses[6:]) <= 5.0
    with pytest.raises(NoAnswer, match="OSError"):
        call.after_no_answer(OSError())


def test_a_server_says_how_long_to_wait(shaky: Client, between: Unreliable) -> None:
    between.faults = [Answers(503, b"", {"Retry-After": "1"})]
    shaky.debit("ada", "tokens", 1)
    first, second = between.seen
    assert 1.0 <= second.at - first.at < 30.0


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("3", 3, 3),
        ("86400", 30, 30),
        ("", 0, 0),
        ("soon", 0, 0),
        ("-5", 0, 0),
        ("0.5", 0, 0),
        ("9" * 400, 30, 30),
        ("Mon, 21 Oct 2999 07:28:00 +0000", 30, 30),
        ("Wed, 21 Oct 2015 07:28:00 +0000", 0, 0),
        ("Wed, 21 Oct 2015 07:28:00 -0000", 0, 0),
    ],
)
def test_a_retry_after_is_bounded(text: str, least: float, most: float) -> None:
    """Whatever stands there, nobody waits longer than half a minute."""
    assert least <= exchange.retry_after(text) <= most


def _server(attempts_max: int) -> exchange.Server:
    return exchange.Server(url="http://x", key="sk_test_x", attempts_max=attempts_max)


def _call() -> Call[object]:
    return Call(method="GET", path="/", read=lambda body, replayed: body)
