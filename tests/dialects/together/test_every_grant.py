"""A grant made in any dialect is listed, ended and explained in every other that can represent it.

Where one cannot, that is said here, and what it shows instead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest
import stripe
from msgspec import UNSET

from tests.dialects.dodo.sdk import enter
from tests.dialects.sequence.contract import Balances, Credit, OneGrant, Transaction, read, refusal
from tests.dialects.sequence.contract_usage import counting
from tests.dialects.sequence.support import CUSTOMER, credit_body, post_credit
from tests.dialects.stripe.conftest import METERED
from tests.dialects.together.four import Four
from tests.dialects.together.shown import MINOR, Wallet, agreed, minor, uuid_of

EXPIRES, EXPIRY_DAY = "2091-02-01T00:00:00Z", "2091-01-31"
EFFECTIVE, EFFECTIVE_DAY = "2090-12-24T00:00:00Z", "2090-12-24"
SECONDS = {each: int(datetime.fromisoformat(each).timestamp()) for each in (EXPIRES, EFFECTIVE)}
#: What stands for the metric of the book that a test is in.
UNITS = "units"


@dataclass(frozen=True)
class Terms:
    """Of a grant, in major units. Dodo's and Stripe's calls for it cannot say all of them."""

    kind: str = "usd"
    amount: str = "25.5"
    paid: bool = True
    name: str | None = "Prepaid"
    expires: bool = False
    later: bool = False
    metadata: bool = False


#: The terms, and which dialects can make such a grant.
ALL, SAYS_ALL = ("native", "stripe", "dodo", "sequence"), ("native", "stripe")
TERMS: dict[str, tuple[Terms, tuple[str, ...]]] = {
    "paid, without an end": (Terms(name=None), ("native", "stripe", "dodo")),
    "paid, named": (Terms(), ("native", "stripe", "sequence")),
    "promotional, until a day": (
        Terms(paid=False, expires=True),
        ("native", "stripe", "sequence"),
    ),
    "until a day": (Terms(name=None, expires=True), ("native", "stripe", "dodo")),
    "effective later": (Terms(later=True, expires=True), ("native", "stripe", "sequence")),
    "with metadata": (Terms(name=None, metadata=True), ("native", "stripe", "dodo")),
    "money without minor units": (Terms(kind="jpy", amount="1200"), ALL),
    "money of three places": (Terms(kind="kwd", amount="12.345"), ("native", "stripe", "dodo")),
    "parts of a cent": (
        Terms(name="Dust", amount="0.009999999"),
        ("native", "sequence"),
    ),
    "more than Stripe grants at once": (
        Terms(name="Large", amount="1000000000.000000001"),
        ("native", "sequence"),
    ),
    "units of a metric": (Terms(kind=UNITS, amount="100.25"), ("native", "dodo", "sequence")),
    "units, until a day": (
        Terms(kind=UNITS, amount="7", expires=True),
        ("native", "dodo", "sequence"),
    ),
}
CASES = [(name, maker) for name, (_, makers) in TERMS.items() for maker in makers]


class Book:
    """A customer and a metric, which every dialect knows."""

    def __init__(self, four: Four) -> None:
        self.four = four
        answer = four.sequence.post("/customers", json=CUSTOMER | {"customerAliases": ["ada"]})
        assert answer.status_code == 201, answer.text
        self.metric = counting(four.sequence, name="Calls").id
        self.code: str = four.ask("GET", f"/entitlements/{self.metric}")["code"]

    def code_of(self, terms: Terms) -> str:
        return self.code if terms.kind == UNITS else terms.kind

    def make(self, dialect: str, terms: Terms) -> str:
        """The id of the grant, as the dialect spells it."""
        made: str = getattr(self, f"_by_{dialect}")(terms)
        return made

    def _by_native(self, terms: Terms) -> str:
        asked: dict[str, Any] = {
            "customer": "ada",
            "entitlement": self.code_of(terms),
            "amount": terms.amount,
            "category": "paid" if terms.paid else "promotional",
        }
        asked |= {"name": terms.name} if terms.name else {}
        asked |= {"expires_at": EXPIRES} if terms.expires else {}
        asked |= {"effective_at": EFFECTIVE} if terms.later else {}
        asked |= {"metadata": {"order": "17"}} if terms.metadata else {}
        made: str = self.four.ask("POST", "/grants", asked)["id"]
        return made

    def _by_stripe(self, terms: Terms) -> str:
        code = self.code_of(terms)
        money = {"currency": code, "value": minor(terms.amount, code)}
        asked: Any = {
            "customer": "ada",
            "amount": {"type": "monetary", "monetary": money},
            "applicability_config": METERED,
            "category": "paid" if terms.paid else "promotional",
        }
        asked |= {"name": terms.name} if terms.name else {}
        asked |= {"expires_at": SECONDS[EXPIRES]} if terms.expires else {}
        asked |= {"effective_at": SECONDS[EFFECTIVE]} if terms.later else {}
        asked |= {"metadata": {"order": "17"}} if terms.metadata else {}
        return self.four.stripe.v1.billing.credit_grants.create(asked).id

    def _by_dodo(self, terms: Terms) -> str:
        """It has no name, is effective at once, and paid."""
        more: dict[str, Any] = {"expires_at": EXPIRES} if terms.expires else {}
        more |= {"metadata": {"order": "17"}} if terms.metadata else {}
        ask = enter("credit", "ada", self.code_of(terms), terms.amount, **more)
        made: str = self.four.dodo(ask).grant_id
        return made

    def _by_sequence(self, terms: Terms) -> str:
        return read(self.ask_sequence(terms), 201, Credit).id

    def ask_sequence(self, terms: Terms) -> httpx.Response:
        """It has a name and no metadata; what it cost makes it a paid one."""
        asked: dict[str, Any] = {"amount": terms.amount, "name": terms.name}
        if terms.kind == UNITS:
            asked |= {"creditUnitType": "METRIC", "metricId": self.metric, "currency": "EUR"}
        else:
            asked |= {"currency": terms.kind.upper()}
        asked |= {"costOfCredit": "20"} if terms.paid else {}
        asked |= {"expiryDate": EXPIRY_DAY} if terms.expires else {}
        asked |= {"effectiveDate": EFFECTIVE_DAY} if terms.later else {}
        return post_credit(self.four.sequence, credit_body("ada", **asked))


@pytest.fixture
def book(four: Four) -> Book:
    return Book(four)


@pytest.mark.parametrize(("name", "maker"), CASES)
def test_a_grant_is_listed_in_every_dialect(book: Book, name: str, maker: str) -> None:
    """With its amount, name, times, category and metadata, wherever there is a word for it."""
    terms, four = TERMS[name][0], book.four
    made = book.make(maker, terms)
    [wallet] = agreed(four, "ada").values()
    [kept] = wallet.grants
    assert uuid_of(kept["id"]) == uuid_of(made)
    assert (wallet.code, Decimal(kept["amount"])) == (book.code_of(terms), Decimal(terms.amount))
    default = wallet.kind["name"]
    assert kept["name"] == (default if maker == "dodo" else terms.name or default)
    assert kept["category"] == ("paid" if terms.paid else "promotional")
    assert kept["expires_at"] == (EXPIRES if terms.expires else None)
    assert kept["state"] == ("pending" if terms.later else "active")
    assert kept["metadata"] == ({"order": "17"} if terms.metadata else {})
    one = read(four.sequence.get(f"/credits/{uuid_of(made)}"), 200, OneGrant)
    assert (one.name, Decimal(one.current_balance)) == (kept["name"], Decimal(terms.amount))
    assert one.expiry_date == (EXPIRY_DAY if terms.expires else UNSET)
    if maker == "sequence":
        assert (one.cost_of_credit == "20") is terms.paid
    if terms.later:
        assert (one.effective_date, kept["effective_at"]) == (EFFECTIVE_DAY, EFFECTIVE)
        assert four.dodo.all_grants("ada", wallet.code) == [], "Dodo has none that begin later"
    if terms.kind == UNITS:
        assert_not_stripes(four, made)


def assert_not_stripes(four: Four, grant: str) -> None:
    """Credit that is no money is not there for Stripe."""
    grants = four.stripe.v1.billing.credit_grants
    assert grants.list({"customer": "ada"}).data == []
    for ask in (grants.retrieve, grants.expire, grants.void_grant):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            ask(grant)
        assert caught.value.code == "resource_missing"
    assert four.stripe.v1.billing.credit_balance_transactions.list({"customer": "ada"}).data == []


def test_money_that_sequence_has_no_word_for_is_listed_there_and_not_made(book: Book) -> None:
    terms = TERMS["money of three places"][0]
    refusal(book.ask_sequence(terms), 400, "ValidationError", "currency")
    book.make("stripe", terms)
    [item] = book.four.sequence.get("/credits/ada/grants").json()["items"]
    assert (item["grantAmount"], item["balance"]) == (12.345, 12.345)


def test_a_grant_to_which_stripe_gave_no_name_has_none_there(book: Book) -> None:
    made = book.make("stripe", Terms(name=None))
    shown = book.four.stripe.v1.billing.credit_grants.retrieve(made)
    assert shown.name is None
    [item] = book.four.sequence.get("/credits/ada/grants").json()["items"]
    assert item["name"] == "USD"


# Ended, and explained --------------------------------------------------------------------------------


@dataclass(frozen=True)
class End:
    """What ends a grant of which 5.5 were drawn: the state, and how each dialect explains what was left.

    ``untouched``: only one that was never drawn on can be ended so. ``money``: only one in a currency.
    """

    state: str
    native: str
    stripe: str
    dodo: str
    sequence: Any
    untouched: bool = False
    money: bool = False


USED_UP = End("depleted", "debited", "credits_applied", "credit_deducted", UNSET)
EXPIRED = End("expired", "expired", "credits_expired", "credit_expired", "Expired")
VOIDED = End("voided", "voided", "credits_voided", "manual_adjustment", "Voided")
MOVED = End("depleted", "debited", "credits_applied", "manual_adjustment", "Mistake")
ENDS: dict[str, End] = {
    "native.expire": EXPIRED,
    "native.void": VOIDED,
    "native.debit": USED_UP,
    "stripe.expire": replace(EXPIRED, money=True),
    "stripe.void": replace(VOIDED, money=True, untouched=True),
    "dodo.debit": USED_UP,
    "sequence.DEBIT": MOVED,
}
DRAWN = Decimal("5.5")


def end(book: Book, way: str, grant: str, wallet: Wallet, rest: Decimal) -> None:
    """As the dialect does it; Dodo and Sequence have no word for it but a debit of what is left."""
    four, spelled = book.four, str(wallet.grants[0]["id"])
    grants = four.stripe.v1.billing.credit_grants
    acts: dict[str, Callable[[], object]] = {
        "native.expire": lambda: four.native.expire_grant(spelled),
        "native.void": lambda: four.native.void_grant(spelled),
        "native.debit": lambda: four.native.debit("ada", wallet.code, rest),
        "stripe.expire": lambda: grants.expire(grant),
        "stripe.void": lambda: grants.void_grant(grant),
        "dodo.debit": lambda: four.dodo.debit("ada", wallet.code, f"{rest:f}"),
        "sequence.DEBIT": lambda: move(four, grant, f"{rest:f}"),
    }
    acts[way]()


def move(four: Four, grant: str, amount: str) -> Transaction:
    account = four.sequence.get(f"/credits/{uuid_of(grant)}").json()["sequenceAccountId"]
    body = {"grantId": uuid_of(grant), "type": "DEBIT", "amount": amount, "reason": "Mistake"}
    headers = {"On-Behalf-Of": account}
    return read(
        four.sequence.post("/credit-transactions", json=body, headers=headers), 201, Transaction
    )


MAKERS = [
    (maker, kind)
    for kind, makers in (("usd", ALL), (UNITS, ("native", "dodo", "sequence")))
    for maker in makers
]


@pytest.mark.parametrize("way", list(ENDS))
@pytest.mark.parametrize(("maker", "kind"), MAKERS)
def test_a_grant_is_ended_and_explained_in_every_dialect(
    book: Book, maker: str, kind: str, way: str
) -> None:
    """Whichever dialect made it, and whichever ends it."""
    four, ended, terms = book.four, ENDS[way], Terms(kind=kind)
    grant = book.make(maker, terms)
    if ended.money and kind == UNITS:
        assert_not_stripes(four, grant)
        return
    code = book.code_of(terms)
    rest = Decimal(terms.amount)
    debit = None
    if not ended.untouched:
        debit = four.native.debit("ada", code, DRAWN).id
        rest -= DRAWN
    end(book, way, grant, agreed(four, "ada")[code], rest)
    wallet = agreed(four, "ada")[code]
    assert wallet.grants[0]["state"] == ended.state
    check_explained(four, wallet, ended, rest)
    if debit is not None:
        [draw] = four.ask("GET", f"/debits/{debit}/explain")["draws"]
        assert uuid_of(draw["grant"]) == uuid_of(grant)
        assert Decimal(draw["amount"]) == DRAWN
    assert_ended(four, grant, wallet)


def check_explained(four: Four, wallet: Wallet, ended: End, rest: Decimal) -> None:
    """Given, drawn and ended: in every dialect in that order, in its own words."""
    amounts = [Decimal("25.5"), *([] if ended.untouched else [DRAWN]), rest]
    drawn = [] if ended.untouched else [(1, "debited", "credits_applied", "credit_deducted", UNSET)]
    given = (0, "granted", "credits_granted", "credit_added", UNSET)
    words = [given, *drawn, (1, ended.native, ended.stripe, ended.dodo, ended.sequence)]
    entries = [(each["kind"], Decimal(each["amount"])) for each in wallet.entries]
    assert entries == [(word[1], amount) for word, amount in zip(words, amounts, strict=True)]
    rows = four.dodo(
        lambda client: client.credit_entitlements.balances.list_ledger(
            "ada", credit_entitlement_id=wallet.code
        )
    ).items[::-1]
    assert [(each.transaction_type, Decimal(each.amount)) for each in rows] == [
        (word[3], amount) for word, amount in zip(words, amounts, strict=True)
    ]
    answer = four.sequence.get("/credits/ada/balances")
    [shown] = read(answer, 200, Balances).items
    assert [
        (each.type, each.reason, Decimal(each.amount)) for each in shown.transactions[::-1]
    ] == [
        (("CREDIT", "DEBIT")[word[0]], word[4], amount)
        for word, amount in zip(words, amounts, strict=True)
    ]
    if wallet.code in MINOR:
        listed: list[Any] = four.stripe.v1.billing.credit_balance_transactions.list(
            {"customer": "ada", "credit_grant": wallet.grants[0]["id"]}
        ).data[::-1]
        found = [(each.credit or each.debit) for each in listed]
        assert [(each.type, each.amount.monetary.value) for each in found] == [
            (word[2], minor(amount, wallet.code))
            for word, amount in zip(words, amounts, strict=True)
        ]


def assert_ended(four: Four, grant: str, wallet: Wallet) -> None:
    """Nobody draws on it any more."""
    assert four.sequence.get("/credits/ada/grants").json()["items"] == []
    answer = four.http.post(
        "/debits",
        json={
            "customer": "ada",
            "entitlement": wallet.code,
            "amount": "0.01",
            "idempotency_key": f"after-{grant}",
        },
    )
    assert answer.json()["code"] == "insufficient_credit"
