"""The table of what this dialect answers."""

from __future__ import annotations

from drawdown.core.errors import (
    AlreadyExists,
    AmountTooLarge,
    CustomerClosed,
    CustomerNotFound,
    ExpiryBeforeEffective,
    ExpiryNotInFuture,
    GrantExpired,
    GrantNotFound,
    GrantUsed,
    GrantVoided,
    KeyReused,
    TooManyGrants,
)
from drawdown.dialects.stripe import customers, grants, requests, wire
from drawdown.dialects.stripe.idempotency import writing
from drawdown.engine.accounts import Role
from drawdown.web.endpoints import Endpoint

GRANTS = "/v1/billing/credit_grants"

ENDPOINTS = (
    Endpoint(
        method="POST",
        path=GRANTS,
        handler=writing(grants.create),
        summary="Create a credit grant",
        role=Role.EDITOR,
        body=requests.CreateGrant,
        answer=wire.CreditGrant,
        errors=(
            AmountTooLarge,
            CustomerClosed,
            CustomerNotFound,
            ExpiryBeforeEffective,
            ExpiryNotInFuture,
            KeyReused,
            TooManyGrants,
        ),
    ),
    Endpoint(
        method="GET",
        path=GRANTS,
        handler=grants.list_all,
        summary="List credit grants, newest first",
        role=Role.VIEWER,
        query=requests.ListGrants,
        answer=wire.List,
        errors=(CustomerNotFound, GrantNotFound),
    ),
    Endpoint(
        method="GET",
        path=GRANTS + "/{grant}",
        handler=grants.retrieve,
        summary="Retrieve a credit grant",
        role=Role.VIEWER,
        query=requests.OneGrant,
        answer=wire.CreditGrant,
        errors=(GrantNotFound,),
    ),
    Endpoint(
        method="POST",
        path=GRANTS + "/{grant}",
        handler=writing(grants.update),
        summary="Change a credit grant's expiry or metadata",
        role=Role.EDITOR,
        body=requests.UpdateGrant,
        answer=wire.CreditGrant,
        errors=(
            ExpiryBeforeEffective,
            ExpiryNotInFuture,
            GrantExpired,
            GrantNotFound,
            GrantVoided,
            KeyReused,
        ),
    ),
    Endpoint(
        method="POST",
        path=GRANTS + "/{grant}/expire",
        handler=writing(grants.expire),
        summary="Expire a credit grant",
        role=Role.EDITOR,
        body=requests.OneGrant,
        answer=wire.CreditGrant,
        errors=(GrantExpired, GrantNotFound, GrantVoided, KeyReused),
    ),
    Endpoint(
        method="POST",
        path=GRANTS + "/{grant}/void",
        handler=writing(grants.void),
        summary="Void a credit grant that was never drawn on",
        role=Role.EDITOR,
        body=requests.OneGrant,
        answer=wire.CreditGrant,
        errors=(GrantExpired, GrantNotFound, GrantUsed, GrantVoided, KeyReused),
    ),
    Endpoint(
        method="POST",
        path="/v1/customers",
        handler=writing(customers.create),
        summary="Create a customer",
        role=Role.EDITOR,
        body=requests.CreateCustomer,
        answer=wire.CustomerObject,
        errors=(AlreadyExists, KeyReused),
    ),
    Endpoint(
        method="GET",
        path="/v1/customers/{customer}",
        handler=customers.retrieve,
        summary="Retrieve a customer",
        role=Role.VIEWER,
        query=requests.RetrieveCustomer,
        answer=wire.CustomerObject,
        errors=(CustomerNotFound,),
    ),
)
