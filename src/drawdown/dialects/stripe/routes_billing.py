"""The table of subscriptions, invoices, test clocks and balances."""

from __future__ import annotations

from drawdown.core.errors import (
    AlertNotFound,
    ClockAdvancing,
    ClockNotFound,
    CustomerClosed,
    CustomerNotFound,
    DocumentChanged,
    DocumentNotFound,
    FieldInvalid,
    GrantNotFound,
    KeyReused,
    MeterNotFound,
    OnlyInTestMode,
    TooManyAlerts,
    WrongStatus,
)
from drawdown.dialects.stripe import (
    alerts,
    balances,
    invoices,
    previews,
    subscriptions,
    test_clocks,
    wire,
    wire_billing,
)
from drawdown.dialects.stripe import requests_billing as requests
from drawdown.dialects.stripe.idempotency import writing
from drawdown.dialects.stripe.requests_catalog import Nothing, One, Page
from drawdown.dialects.stripe.wire_catalog import Deleted
from drawdown.engine.accounts import Role
from drawdown.web.endpoints import Endpoint, Handler

_SUBSCRIPTION = wire_billing.SUBSCRIPTIONS_URL + "/{subscription}"
_INVOICE = wire_billing.INVOICES_URL + "/{invoice}"
_CLOCK = wire_billing.CLOCKS_URL + "/{clock}"
_ALERT = alerts.ALERTS_URL + "/{alert}"

SUBSCRIPTIONS = (
    Endpoint(
        method="POST",
        path=wire_billing.SUBSCRIPTIONS_URL,
        handler=writing(subscriptions.create_subscription),
        summary="Create a subscription",
        role=Role.EDITOR,
        body=requests.CreateSubscription,
        answer=wire_billing.Subscription,
        errors=(CustomerClosed, CustomerNotFound, DocumentNotFound, FieldInvalid, KeyReused),
    ),
    Endpoint(
        method="GET",
        path=wire_billing.SUBSCRIPTIONS_URL,
        handler=subscriptions.list_subscriptions,
        summary="List subscriptions, newest first",
        role=Role.VIEWER,
        query=requests.ListSubscriptions,
        answer=wire_billing.SubscriptionList,
        errors=(CustomerNotFound, DocumentNotFound),
    ),
    Endpoint(
        method="GET",
        path=_SUBSCRIPTION,
        handler=subscriptions.retrieve_subscription,
        summary="Retrieve a subscription",
        role=Role.VIEWER,
        query=One,
        answer=wire_billing.Subscription,
        errors=(DocumentNotFound,),
    ),
    Endpoint(
        method="POST",
        path=_SUBSCRIPTION,
        handler=writing(subscriptions.update_subscription),
        summary="Change when a subscription ends, and what is kept of it",
        role=Role.EDITOR,
        body=requests.UpdateSubscription,
        answer=wire_billing.Subscription,
        errors=(DocumentNotFound, FieldInvalid, KeyReused, WrongStatus),
    ),
    Endpoint(
        method="DELETE",
        path=_SUBSCRIPTION,
        handler=subscriptions.cancel_subscription,
        summary="End a subscription now",
        role=Role.EDITOR,
        query=requests.CancelSubscription,
        answer=wire_billing.Subscription,
        errors=(DocumentNotFound, WrongStatus),
    ),
)


def _turn(name: str, handler: Handler, summary: str, body: type) -> Endpoint:
    """An invoice becomes something else."""
    return Endpoint(
        method="POST",
        path=f"{_INVOICE}/{name}",
        handler=handler,
        summary=summary,
        role=Role.EDITOR,
        body=body,
        answer=wire_billing.Invoice,
        errors=(DocumentNotFound, KeyReused, WrongStatus),
    )


INVOICES = (
    Endpoint(
        method="POST",
        path=wire_billing.INVOICES_URL + "/create_preview",
        handler=writing(previews.create_preview),
        summary="Preview the next invoice of a subscription",
        role=Role.EDITOR,
        body=requests.CreatePreview,
        answer=wire_billing.Invoice,
        errors=(CustomerNotFound, DocumentNotFound, KeyReused),
    ),
    Endpoint(
        method="GET",
        path=wire_billing.INVOICES_URL,
        handler=invoices.list_invoices,
        summary="List invoices, newest first",
        role=Role.VIEWER,
        query=requests.ListInvoices,
        answer=wire_billing.InvoiceList,
        errors=(CustomerNotFound, DocumentNotFound),
    ),
    Endpoint(
        method="GET",
        path=_INVOICE,
        handler=invoices.retrieve_invoice,
        summary="Retrieve an invoice",
        role=Role.VIEWER,
        query=One,
        answer=wire_billing.Invoice,
        errors=(DocumentNotFound,),
    ),
    Endpoint(
        method="GET",
        path=_INVOICE + "/lines",
        handler=invoices.list_lines,
        summary="List an invoice's lines, in the order in which credit goes over them",
        role=Role.VIEWER,
        query=Page,
        answer=wire_billing.LineItemList,
        errors=(DocumentNotFound,),
    ),
    Endpoint(
        method="POST",
        path=_INVOICE,
        handler=writing(invoices.update_invoice),
        summary="Change what is kept of an invoice, or whether a draft becomes final by itself",
        role=Role.EDITOR,
        body=requests.UpdateInvoice,
        answer=wire_billing.Invoice,
        errors=(DocumentNotFound, FieldInvalid, KeyReused, WrongStatus),
    ),
    _turn(
        "finalize",
        writing(invoices.finalize_invoice),
        "Make a draft final",
        requests.FinalizeInvoice,
    ),
    _turn(
        "pay", writing(invoices.pay_invoice), "Say that an invoice was paid", requests.PayInvoice
    ),
    _turn(
        "void",
        writing(invoices.void_invoice),
        "Void an invoice, and give back the credit that it took",
        One,
    ),
    _turn(
        "mark_uncollectible",
        writing(invoices.mark_uncollectible),
        "Say that an invoice will not be paid",
        One,
    ),
    Endpoint(
        method="DELETE",
        path=_INVOICE,
        handler=invoices.delete_invoice,
        summary="Delete a draft",
        role=Role.EDITOR,
        query=Nothing,
        answer=Deleted,
        errors=(DocumentNotFound, WrongStatus),
    ),
)

CLOCKS = (
    Endpoint(
        method="POST",
        path=wire_billing.CLOCKS_URL,
        handler=writing(test_clocks.create_test_clock),
        summary="Create a test clock",
        role=Role.EDITOR,
        body=requests.CreateTestClock,
        answer=wire.TestClock,
        errors=(CustomerNotFound, KeyReused, OnlyInTestMode),
    ),
    Endpoint(
        method="GET",
        path=wire_billing.CLOCKS_URL,
        handler=test_clocks.list_test_clocks,
        summary="List test clocks, newest first",
        role=Role.VIEWER,
        query=Page,
        answer=wire_billing.TestClockList,
        errors=(ClockNotFound,),
    ),
    Endpoint(
        method="GET",
        path=_CLOCK,
        handler=test_clocks.retrieve_test_clock,
        summary="Retrieve a test clock",
        role=Role.VIEWER,
        query=One,
        answer=wire.TestClock,
        errors=(ClockNotFound,),
    ),
    Endpoint(
        method="POST",
        path=_CLOCK + "/advance",
        handler=writing(test_clocks.advance_test_clock),
        summary="Move a test clock forward",
        role=Role.EDITOR,
        body=requests.AdvanceTestClock,
        answer=wire.TestClock,
        errors=(ClockAdvancing, ClockNotFound, FieldInvalid, KeyReused),
    ),
    Endpoint(
        method="DELETE",
        path=_CLOCK,
        handler=test_clocks.delete_test_clock,
        summary="Delete a test clock, and with it its customers",
        role=Role.EDITOR,
        query=Nothing,
        answer=Deleted,
        errors=(ClockNotFound,),
    ),
)

BALANCES = (
    Endpoint(
        method="GET",
        path=wire_billing.SUMMARY_URL,
        handler=balances.retrieve_summary,
        summary="Retrieve what a customer has, by currency",
        role=Role.VIEWER,
        query=requests.RetrieveSummary,
        answer=wire_billing.BalanceSummary,
        errors=(CustomerNotFound, GrantNotFound),
    ),
    Endpoint(
        method="GET",
        path=wire_billing.TRANSACTIONS_URL,
        handler=balances.list_transactions,
        summary="List credit balance transactions, newest first",
        role=Role.VIEWER,
        query=requests.ListTransactions,
        answer=wire_billing.TransactionList,
        errors=(CustomerNotFound, GrantNotFound),
    ),
    Endpoint(
        method="GET",
        path=wire_billing.TRANSACTIONS_URL + "/{transaction}",
        handler=balances.retrieve_transaction,
        summary="Retrieve a credit balance transaction",
        role=Role.VIEWER,
        query=One,
        answer=wire_billing.Transaction,
        errors=(DocumentNotFound,),
    ),
)

ALERTS = (
    Endpoint(
        method="POST",
        path=alerts.ALERTS_URL,
        handler=writing(alerts.create_alert),
        summary="Be told when credit falls to a line",
        role=Role.EDITOR,
        body=alerts.CreateAlert,
        answer=alerts.Alert,
        errors=(
            CustomerClosed,
            CustomerNotFound,
            KeyReused,
            MeterNotFound,
            TooManyAlerts,
        ),
    ),
    Endpoint(
        method="GET",
        path=alerts.ALERTS_URL,
        handler=alerts.list_alerts,
        summary="List alerts, newest first",
        role=Role.VIEWER,
        query=alerts.ListAlerts,
        answer=alerts.AlertList,
        errors=(
            CustomerNotFound,
            DocumentNotFound,
            MeterNotFound,
        ),
    ),
    Endpoint(
        method="GET",
        path=_ALERT,
        handler=alerts.retrieve_alert,
        summary="Retrieve an alert",
        role=Role.VIEWER,
        query=One,
        answer=alerts.Alert,
        errors=(DocumentNotFound,),
    ),
    Endpoint(
        method="POST",
        path=_ALERT + "/activate",
        handler=writing(alerts.activate_alert),
        summary="Watch again",
        role=Role.EDITOR,
        body=One,
        answer=alerts.Alert,
        errors=(
            AlertNotFound,
            DocumentChanged,
            DocumentNotFound,
            FieldInvalid,
            KeyReused,
            CustomerClosed,
            TooManyAlerts,
        ),
    ),
    Endpoint(
        method="POST",
        path=_ALERT + "/deactivate",
        handler=writing(alerts.deactivate_alert),
        summary="Watch no more, for now",
        role=Role.EDITOR,
        body=One,
        answer=alerts.Alert,
        errors=(
            AlertNotFound,
            DocumentChanged,
            DocumentNotFound,
            KeyReused,
        ),
    ),
    Endpoint(
        method="POST",
        path=_ALERT + "/archive",
        handler=writing(alerts.archive_alert),
        summary="Watch no more, for good",
        role=Role.EDITOR,
        body=One,
        answer=alerts.Alert,
        errors=(
            AlertNotFound,
            DocumentChanged,
            DocumentNotFound,
            KeyReused,
        ),
    ),
)

ENDPOINTS = (*SUBSCRIPTIONS, *INVOICES, *CLOCKS, *BALANCES, *ALERTS)
