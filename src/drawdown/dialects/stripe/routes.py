"""The table of what this dialect answers: grants and customers here, the rest beside it."""

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
from drawdown.dialects.stripe import (
    customers,
    grants,
    requests,
    routes_billing,
    routes_catalog,
    wire,
)
from drawdown.dialects.stripe.idempotency import writing
from drawdown.engine.accounts import Role
from drawdown.web.endpoints import Endpoint

CREDIT = (
    Endpoint(
        method="POST",
        path=wire.GRANTS_URL,
        handler=writing(grants.create_credit_grant),
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
        path=wire.GRANTS_URL,
        handler=grants.list_credit_grants,
        summary="List credit grants, newest first",
        role=Role.VIEWER,
        query=requests.ListGrants,
        answer=wire.CreditGrantList,
        errors=(CustomerNotFound, GrantNotFound),
    ),
    Endpoint(
        method="GET",
        path=wire.GRANTS_URL + "/{grant}",
        handler=grants.retrieve_credit_grant,
        summary="Retrieve a credit grant",
        role=Role.VIEWER,
        query=requests.OneGrant,
        answer=wire.CreditGrant,
        errors=(GrantNotFound,),
    ),
    Endpoint(
        method="POST",
        path=wire.GRANTS_URL + "/{grant}",
        handler=writing(grants.update_credit_grant),
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
        path=wire.GRANTS_URL + "/{grant}/expire",
        handler=writing(grants.expire_credit_grant),
        summary="Expire a credit grant",
        role=Role.EDITOR,
        body=requests.OneGrant,
        answer=wire.CreditGrant,
        errors=(GrantExpired, GrantNotFound, GrantVoided, KeyReused),
    ),
    Endpoint(
        method="POST",
        path=wire.GRANTS_URL + "/{grant}/void",
        handler=writing(grants.void_credit_grant),
        summary="Void a credit grant that was never drawn on",
        role=Role.EDITOR,
        body=requests.OneGrant,
        answer=wire.CreditGrant,
        errors=(GrantExpired, GrantNotFound, GrantUsed, GrantVoided, KeyReused),
    ),
    Endpoint(
        method="POST",
        path=wire.CUSTOMERS_URL,
        handler=writing(customers.create_customer),
        summary="Create a customer",
        role=Role.EDITOR,
        body=requests.CreateCustomer,
        answer=wire.CustomerObject,
        errors=(AlreadyExists, KeyReused),
    ),
    Endpoint(
        method="GET",
        path=wire.CUSTOMERS_URL + "/{customer}",
        handler=customers.retrieve_customer,
        summary="Retrieve a customer",
        role=Role.VIEWER,
        query=requests.RetrieveCustomer,
        answer=wire.CustomerObject,
        errors=(CustomerNotFound,),
    ),
)
ENDPOINTS = (*CREDIT, *routes_catalog.ENDPOINTS, *routes_billing.ENDPOINTS)
