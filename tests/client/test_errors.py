"""What goes wrong has a class, and says what to do."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from decimal import Decimal

import pytest

from drawdown.client import (
    AlreadyExists,
    AmountNotPositive,
    AmountTooFine,
    Client,
    Conflict,
    CustomerNotFound,
    DebitNotFound,
    DrawdownError,
    EntitlementNotFound,
    Forbidden,
    GrantExpired,
    GrantNotFound,
    GrantUsed,
    InsufficientCredit,
    Invalid,
    KeyNotFound,
    KeyReused,
    NotFound,
    ReversalTooLarge,
    ServerFault,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
    errors,
)
from tests.client.driven import Connect
from tests.client.unreliable import Answers, Unreliable
from tests.support.server import Tenant

REFUSED: list[tuple[type[DrawdownError], int, str, Callable[[Client], object]]] = [
    (CustomerNotFound, 404, "customer_not_found", lambda c: c.get_customer("bob")),
    (CustomerNotFound, 404, "customer_not_found", lambda c: c.debit("bob", "tokens", 1)),
    (EntitlementNotFound, 404, "entitlement_not_found", lambda c: c.balance("ada", "nothing")),
    (GrantNotFound, 404, "grant_not_found", lambda c: c.get_grant("grant_x")),
    (DebitNotFound, 404, "debit_not_found", lambda c: c.reverse("deb_x")),
    (NotFound, 404, "unknown_url", lambda c: c.request("GET", "/api/v1/nothing")),
    (AlreadyExists, 409, "already_exists", lambda c: c.create_customer("ada")),
    (AmountTooFine, 422, "amount_too_fine", lambda c: c.debit("ada", "tokens", "0.001")),
    (AmountNotPositive, 422, "amount_not_positive", lambda c: c.debit("ada", "tokens", 0)),
    (Invalid, 422, "field_invalid", lambda c: c.debit("ada", "tokens", "a lot")),
    (Invalid, 422, "field_invalid", lambda c: c.debit("ada", "tokens", -1)),
    (InsufficientCredit, 402, "insufficient_credit", lambda c: c.debit("ada", "tokens", 101)),
    (Forbidden, 403, "forbidden", lambda c: c.create_api_key("viewer")),
]


@pytest.mark.parametrize(("kind", "status", "code", "ask"), REFUSED)
def test_a_refusal_is_raised_as_its_class(
    ada: Client,
    kind: type[DrawdownError],
    status: int,
    code: str,
    ask: Callable[[Client], object],
) -> None:
    """With its status and code, the server's words, and the id that its log has."""
    with pytest.raises(DrawdownError) as caught:
        ask(ada)
    error = caught.value
    assert (type(error), error.status, error.code) == (kind, status, code)
    assert str(error) == error.detail != ""
    assert str(error.request_id).startswith("req_")


def test_too_little_credit_says_how_much_there_is(ada: Client) -> None:
    with pytest.raises(InsufficientCredit) as caught:
        ada.debit("ada", "tokens", "100.25")
    assert str(caught.value.needed) == "100.25"
    assert caught.value.available == 100


def test_a_broken_rule_names_the_field(ada: Client) -> None:
    with pytest.raises(Invalid) as caught:
        ada.grant("ada", "tokens", 1, priority=101)
    assert caught.value.field == "priority"
    assert caught.value.rule


def test_a_key_that_belongs_to_another_request_is_a_conflict(ada: Client) -> None:
    ada.debit("ada", "tokens", 1, idempotency_key="call-1")
    with pytest.raises(KeyReused) as caught:
        ada.debit("ada", "tokens", 2, idempotency_key="call-1")
    assert isinstance(caught.value, Conflict)
    assert caught.value.idempotency_key == "call-1"


def test_what_has_ended_cannot_be_ended_again(ada: Client) -> None:
    grant = ada.grant("ada", "tokens", 1)
    ada.expire_grant(grant.id)
    with pytest.raises(GrantExpired):
        ada.expire_grant(grant.id)
    [first] = ada.grants(customer="ada", state="active")
    ada.debit("ada", "tokens", 100)
    with pytest.raises(GrantUsed):
        ada.void_grant(first.id)


def test_more_than_the_debit_cannot_be_reversed(ada: Client) -> None:
    debit = ada.debit("ada", "tokens", 10)
    ada.reverse(debit.id, amount=4)
    with pytest.raises(ReversalTooLarge) as caught:
        ada.reverse(debit.id, amount=7)
    assert caught.value.reversible == 6


def test_a_key_that_is_unknown_is_never_repeated(connect: Connect, tenant: Tenant) -> None:
    """Not in the error, nor in what the client prints as."""
    client = connect(tenant.url, "sk_test_unknown")
    with pytest.raises(Unauthorized) as caught:
        client.get_customer("ada")
    assert "sk_test_unknown" not in f"{caught.value!r}{caught.value.fields}{client!r}"
    assert "sk_test_unknown" not in repr(getattr(client, "_server"))  # noqa: B009


def test_no_log_has_the_key(
    connect: Connect, tenant: Tenant, caplog: pytest.LogCaptureFixture
) -> None:
    """Not even that of the libraries underneath, at its most talkative."""
    caplog.set_level("DEBUG")
    connect(tenant.url, tenant.test.editor.secret).create_customer("ada")
    assert len(caplog.messages) > 1
    assert tenant.test.editor.secret not in caplog.text


def test_a_key_that_is_not_there_cannot_be_revoked(connect: Connect, tenant: Tenant) -> None:
    with pytest.raises(KeyNotFound):
        connect(tenant.url, tenant.test.admin.secret).revoke_api_key("key_x")


@pytest.mark.parametrize(
    "answer",
    [
        Answers(200, b"<html>hello</html>"),
        Answers(200, b'{"hello": "world"}'),
        Answers(200, b"\xff"),
        Answers(404, b"<html>not here</html>"),
        Answers(404, b""),
        Answers(404, b'{"error": {"message": "not here"}}'),
        Answers(302, b"{}", {"location": "http://127.0.0.1:1/"}),
    ],
    ids=str,
)
def test_another_kind_of_server_is_told_from_drawdown(
    connect: Connect, between: Unreliable, answer: Answers
) -> None:
    """What it says is not taken for an answer, and nobody is sent elsewhere with the key."""
    between.faults = [answer]
    with pytest.raises(UnexpectedAnswer, match=f"{between.url} is no Drawdown server"):
        connect(between.url, "sk_test_x").get_customer("ada")
    assert len(between.seen) == 1


def test_a_fault_on_the_way_is_a_fault(connect: Connect, between: Unreliable) -> None:
    """A proxy's own page: whether the write was done is not known."""
    between.faults = [Answers(500, b"<html>oops</html>")]
    with pytest.raises(ServerFault, match=f"{between.url} answered 500"):
        connect(between.url, "sk_test_x").debit("ada", "tokens", 1)


def test_a_field_that_is_new_is_ignored(connect: Connect, between: Unreliable) -> None:
    """A server that is newer than the client is understood."""
    between.faults = [
        Answers(
            200,
            b'{"id": "ada", "name": null, "email": null, "metadata": {}, "new": [1], "closed_at": null,'
            b'"test_clock": null, "created_at": "2030-01-01T00:00:00Z"}',
        )
    ]
    assert connect(between.url, "sk_test_x").get_customer("ada").id == "ada"


def test_a_refusal_of_another_dialect_is_known_by_its_status(ada: Client) -> None:
    """It is told in its own words; all of them are in ``fields``."""
    with pytest.raises(NotFound, match="No such billing credit grant") as caught:
        ada.request("GET", "/v1/billing/credit_grants/credgr_x")
    assert caught.value.fields["error"]["code"] == "resource_missing"
    with pytest.raises(NotFound, match="There is no customer"):
        ada.request("GET", "/dodo/customers/nobody")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Invalid),
        (401, Unauthorized),
        (402, InsufficientCredit),
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (418, Invalid),
        (422, Invalid),
        (429, Unavailable),
        (500, ServerFault),
        (503, Unavailable),
        (507, ServerFault),
    ],
)
def test_a_code_that_is_new_is_known_by_its_status(status: int, kind: type[DrawdownError]) -> None:
    error = errors.of_problem({"code": "brand_new", "detail": "New."}, status)
    assert (type(error), error.code, str(error)) == (kind, "brand_new", "New.")


def test_an_error_survives_being_sent_to_another_process() -> None:
    problem = {"code": "insufficient_credit", "detail": "No.", "needed": "2", "available": "1"}
    error = pickle.loads(pickle.dumps(errors.of_problem(problem, 402, "call-1")))
    assert isinstance(error, InsufficientCredit)
    assert (error.needed, error.status, error.idempotency_key) == (Decimal(2), 402, "call-1")
