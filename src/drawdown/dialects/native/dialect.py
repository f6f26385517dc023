"""The native API as a table."""

from __future__ import annotations

from drawdown.config import Config
from drawdown.core import errors as ledger
from drawdown.core.errors import LedgerError
from drawdown.core.requests import Answer
from drawdown.dialects.native import (
    balances,
    debits,
    directory,
    errors,
    grants,
    keys,
    wire,
)
from drawdown.engine.accounts import Role
from drawdown.web.decoding import json_decoder
from drawdown.web.endpoints import BodyDecoder, Context, Dialect, Endpoint
from drawdown.web.errors import Header, WebError
from drawdown.web.headers import Credentials, Headers, basic, bearer

REPLAYED = ((b"idempotent-replayed", b"true"),)
_AMOUNT = (ledger.AmountTooFine, ledger.AmountTooLarge, ledger.AmountNotPositive)
_NAMED = (ledger.CustomerNotFound, ledger.EntitlementNotFound)
_CLOSED = (ledger.CustomerClosed, ledger.EntitlementClosed)
_ENDED = (ledger.GrantNotFound, ledger.GrantExpired, ledger.GrantVoided)
_DEBIT = (*_NAMED, *_AMOUNT, *_CLOSED, ledger.InsufficientCredit, ledger.KeyReused)

DIRECTORY = (
    Endpoint(
        method="POST",
        path="/customers",
        handler=directory.create_customer,
        summary="Make a customer",
        role=Role.EDITOR,
        body=wire.CreateCustomer,
        answer=wire.Customer,
        status=201,
        errors=(ledger.FieldInvalid, ledger.AlreadyExists, ledger.KeyReused),
    ),
    Endpoint(
        method="GET",
        path="/customers",
        handler=directory.list_customers,
        summary="List customers, newest first",
        role=Role.VIEWER,
        query=wire.PageQuery,
        answer=wire.Page[wire.Customer],
    ),
    Endpoint(
        method="GET",
        path="/customers/{customer}",
        handler=directory.get_customer,
        summary="Get a customer by any of its ids",
        role=Role.VIEWER,
        answer=wire.Customer,
        errors=(ledger.CustomerNotFound,),
    ),
    Endpoint(
        method="POST",
        path="/entitlements",
        handler=directory.create_entitlement,
        summary="Make a kind of credit",
        role=Role.EDITOR,
        body=wire.CreateEntitlement,
        answer=wire.Entitlement,
        status=201,
        errors=(ledger.FieldInvalid, ledger.AlreadyExists, ledger.KeyReused),
    ),
    Endpoint(
        method="GET",
        path="/entitlements",
        handler=directory.list_entitlements,
        summary="List entitlements, newest first; currencies once they have been granted",
        role=Role.VIEWER,
        query=wire.PageQuery,
        answer=wire.Page[wire.Entitlement],
    ),
    Endpoint(
        method="GET",
        path="/entitlements/{entitlement}",
        handler=directory.get_entitlement,
        summary="Get an entitlement by code or id",
        role=Role.VIEWER,
        answer=wire.Entitlement,
        errors=(ledger.EntitlementNotFound,),
    ),
)

GRANTS = (
    Endpoint(
        method="POST",
        path="/grants",
        handler=grants.issue_grant,
        summary="Grant credit to a customer",
        role=Role.EDITOR,
        body=wire.IssueGrant,
        answer=wire.Grant,
        status=201,
        errors=(
            *_NAMED,
            *_AMOUNT,
            *_CLOSED,
            ledger.FieldInvalid,
            ledger.ExpiryNotInFuture,
            ledger.ExpiryBeforeEffective,
            ledger.TooManyGrants,
            ledger.KeyReused,
        ),
    ),
    Endpoint(
        method="GET",
        path="/grants",
        handler=grants.list_grants,
        summary="List grants, newest first",
        role=Role.VIEWER,
        query=wire.GrantsQuery,
        answer=wire.Page[wire.Grant],
        errors=_NAMED,
    ),
    Endpoint(
        method="GET",
        path="/grants/{grant}",
        handler=grants.get_grant,
        summary="Get a grant as it is now",
        role=Role.VIEWER,
        answer=wire.Grant,
        errors=(ledger.GrantNotFound,),
    ),
    Endpoint(
        method="POST",
        path="/grants/{grant}/expire",
        handler=grants.expire_grant,
        summary="End a grant now",
        role=Role.EDITOR,
        body=wire.EndGrant,
        answer=wire.Grant,
        errors=(*_ENDED, ledger.KeyReused),
    ),
    Endpoint(
        method="POST",
        path="/grants/{grant}/void",
        handler=grants.void_grant,
        summary="Undo a grant: take what remains of it",
        role=Role.EDITOR,
        body=wire.EndGrant,
        answer=wire.Grant,
        errors=(*_ENDED, ledger.GrantUsed, ledger.KeyReused),
    ),
)

DEBITS = (
    Endpoint(
        method="POST",
        path="/debits",
        handler=debits.create_debit,
        summary="Draw credit in burn-down order, all or nothing",
        role=Role.EDITOR,
        body=wire.CreateDebit,
        answer=wire.Debit,
        status=201,
        errors=_DEBIT,
    ),
    Endpoint(
        method="POST",
        path="/debits/batch",
        handler=debits.create_debits,
        summary="Make up to 1,000 debits, each for itself, in their order",
        role=Role.EDITOR,
        body=wire.CreateDebits,
        answer=wire.BatchResults,
    ),
    Endpoint(
        method="GET",
        path="/debits/{debit}",
        handler=debits.get_debit,
        summary="Get a debit and how much of it was reversed",
        role=Role.VIEWER,
        answer=wire.Debit,
        errors=(ledger.DebitNotFound,),
    ),
    Endpoint(
        method="POST",
        path="/debits/{debit}/reverse",
        handler=debits.reverse_debit,
        summary="Return part or all of a debit to the grants it came from",
        role=Role.EDITOR,
        body=wire.ReverseDebit,
        answer=wire.Reversal,
        status=201,
        errors=(ledger.DebitNotFound, *_AMOUNT, ledger.ReversalTooLarge, ledger.KeyReused),
    ),
)

READS = (
    Endpoint(
        method="GET",
        path="/balances/{customer}/{entitlement}",
        handler=balances.get_balance,
        summary="Get what a customer has of an entitlement now",
        role=Role.VIEWER,
        answer=wire.Balance,
        errors=_NAMED,
    ),
    Endpoint(
        method="GET",
        path="/entries",
        handler=balances.list_entries,
        summary="List a customer's movements, newest first in each wallet",
        role=Role.VIEWER,
        query=wire.EntriesQuery,
        answer=wire.Page[wire.Entry],
        errors=_NAMED,
    ),
)

KEYS = (
    Endpoint(
        method="GET",
        path="/keys",
        handler=keys.list_keys,
        summary="List the account's API keys",
        role=Role.ADMIN,
        answer=wire.Page[wire.Key],
    ),
    Endpoint(
        method="POST",
        path="/keys",
        handler=keys.create_key,
        summary="Make an API key; its secret is shown once",
        role=Role.ADMIN,
        body=wire.CreateKey,
        answer=wire.NewKey,
        status=201,
    ),
    Endpoint(
        method="POST",
        path="/keys/{key}/revoke",
        handler=keys.revoke_key,
        summary="Revoke an API key",
        role=Role.ADMIN,
        answer=wire.Key,
        errors=(errors.KeyNotFound,),
    ),
)


class NativeDialect(Dialect):
    """Problem details for errors; keys by Bearer, or by Basic with the secret as user name."""

    name = "native"
    title = "Drawdown"
    bases = ("/api/v1",)
    error_content_type = b"application/problem+json"
    error_record = wire.Problem
    error_statuses = errors.STATUSES
    endpoints = (*DIRECTORY, *GRANTS, *DEBITS, *READS, *KEYS)
    schemas = (wire.OrderKey,)

    def credentials(self, headers: Headers) -> Credentials | None:
        found = bearer(headers)
        if found is None and (pair := basic(headers)) is not None:
            user, password = pair
            found = Credentials(password, user) if password else Credentials(user)
        return found

    def body_decoder(self, record: type) -> BodyDecoder:
        """Strict JSON. An empty body is an empty object where nothing is required."""
        decode = json_decoder(record)
        if record is not wire.EndGrant:
            return decode
        return lambda raw, headers: decode(raw or b"{}", headers)

    def error(self, error: LedgerError | WebError, context: Context) -> Answer:
        return errors.answer(error, context.request_id)

    def response_headers(self, context: Context, answer: Answer) -> tuple[Header, ...]:
        return REPLAYED if answer.replayed else ()


def build(config: Config) -> Dialect:
    return NativeDialect()
