"""Debits, spends over several wallets, and what undoes and explains them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from drawdown.client import errors
from drawdown.client.calls import API, Call, get, given, write
from drawdown.client.records import AnyDebit, Debit, Explanation, Reversal, Spend
from drawdown.client.values import Amount, amount_text, in_path, key_or_new, time_text


class NewDebit(Struct, frozen=True):
    """One debit of ``debit_many``, as ``debit`` takes it."""

    customer: str
    entitlement: str
    amount: Amount
    attributes: Mapping[str, str] | None = None
    occurred_at: datetime | None = None
    metadata: Mapping[str, Any] | None = None
    idempotency_key: str | None = None


def debit(
    customer: str,
    entitlement: str,
    amount: Amount,
    *,
    attributes: Mapping[str, str] | None = None,
    occurred_at: datetime | None = None,
    metadata: Mapping[str, Any] | None = None,
    idempotency_key: str | None = None,
) -> Call[Debit]:
    """Draw on a customer's credit: all of the amount, or ``InsufficientCredit``.

    ``attributes``: what the usage was; scoped grants pay only for what matches.
    """
    asked = NewDebit(customer, entitlement, amount, attributes, occurred_at, metadata)
    return write("/debits", Debit, _body(asked), idempotency_key)


def debit_many(debits: Iterable[NewDebit]) -> Call[list[Debit | errors.DrawdownError]]:
    """Up to 1,000 debits in one request, each carried out or refused by itself.

    The answers stand in the order of the debits; a refusal is returned, not raised. One customer's
    debits apply in their order.
    """
    bodies = [_body(one) | {"idempotency_key": key_or_new(one.idempotency_key)} for one in debits]
    asked = [body["idempotency_key"] for body in bodies]

    def read(body: bytes, replayed: bool) -> list[Debit | errors.DrawdownError]:
        results = _decode_results(body).results
        return [_outcome(result, key) for result, key in zip(results, asked, strict=True)]

    return Call(
        method="POST",
        path=API + "/debits/batch",
        read=read,
        body=msgspec.json.encode({"debits": bodies}),
    )


def get_debit(debit: str) -> Call[AnyDebit]:
    """A debit, a capture or a spend, and how much of it was reversed."""
    return get(f"/debits/{in_path(debit, 'debit')}", AnyDebit)


def explain(debit: str) -> Call[Explanation]:
    """Why a debit drew on the grants it drew on, and not on others."""
    return get(f"/debits/{in_path(debit, 'debit')}/explain", Explanation)


def reverse(
    debit: str,
    *,
    amount: Amount | None = None,
    entitlement: str | None = None,
    idempotency_key: str | None = None,
) -> Call[Reversal]:
    """Give credit back to the grants it came from: all that is left of the debit, or ``amount``.

    ``entitlement``: of a spend, only what this wallet paid.
    """
    text = None if amount is None else amount_text(amount)
    body = given({"amount": text, "entitlement": entitlement})
    return write(f"/debits/{in_path(debit, 'debit')}/reverse", Reversal, body, idempotency_key)


def spend(
    customer: str,
    quantity: Amount,
    wallets: Iterable[tuple[str, Amount]],
    *,
    partial: bool = False,
    attributes: Mapping[str, str] | None = None,
    occurred_at: datetime | None = None,
    metadata: Mapping[str, Any] | None = None,
    idempotency_key: str | None = None,
) -> Call[Spend]:
    """Pay a quantity from several wallets in one operation, in the given order.

    ``wallets``: pairs of an entitlement and the price of one, such as
    ``[("images", 1), ("usd", "0.04")]``. All or nothing, or with ``partial`` as far as it goes.
    """
    body: dict[str, Any] = {
        "customer": customer,
        "quantity": amount_text(quantity, "quantity"),
        "wallets": [
            {"entitlement": entitlement, "price": amount_text(price, "price")}
            for entitlement, price in wallets
        ],
        **({"partial": True} if partial else {}),
        **_usage(attributes, occurred_at, metadata),
    }
    return write("/spends", Spend, body, idempotency_key)


def get_spend(spend: str) -> Call[Spend]:
    """A spend, by its id (``deb_…``)."""
    return get(f"/spends/{in_path(spend, 'spend')}", Spend)


class _Result(Struct):
    status: int
    replayed: bool = False
    debit: Debit | None = None
    error: dict[str, Any] | None = None


class _Results(Struct):
    results: list[_Result]


_decode_results = msgspec.json.Decoder(_Results).decode


def _outcome(result: _Result, key: str) -> Debit | errors.DrawdownError:
    if result.debit is None:
        return errors.of_problem(result.error or {}, result.status, key)
    msgspec.structs.force_setattr(result.debit, "replayed", result.replayed)
    return result.debit


def _body(debit: NewDebit) -> dict[str, Any]:
    return {
        "customer": debit.customer,
        "entitlement": debit.entitlement,
        "amount": amount_text(debit.amount),
        **_usage(debit.attributes, debit.occurred_at, debit.metadata),
    }


def _usage(
    attributes: Mapping[str, str] | None,
    occurred_at: datetime | None,
    metadata: Mapping[str, Any] | None,
) -> dict[str, Any]:
    occurred = None if occurred_at is None else time_text(occurred_at, "occurred_at")
    return given({"attributes": attributes, "occurred_at": occurred, "metadata": metadata})
