"""Policies: what is told, and to whom."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from drawdown.dialects.sequence.notifications.events import OWN_TYPES, TYPES
from drawdown.dialects.sequence.paging import Page
from drawdown.dialects.sequence.wire import Pagination, Request, Shown, TimeText, UuidText

#: Those that the vendor has, and ours; of the vendor's some are never sent.
VENDORS_TYPES = (
    *("CUSTOMER_CREATED", "CUSTOMER_UPDATED", "CUSTOMER_ARCHIVED"),
    *("BILLING_SCHEDULE_CREATED", "BILLING_SCHEDULE_UPDATED", "BILLING_SCHEDULE_ARCHIVED"),
    *("INVOICE_CREATED", "INVOICE_ISSUED", "INVOICE_UPDATED"),
    *("CREDIT_NOTE_CREATED", "CREDIT_NOTE_UPDATED", "CREDIT_NOTE_ISSUED"),
    *("QUOTE_PUBLISHED", "QUOTE_ACCEPTED", "MERCHANT_UPDATED"),
    *("INTEGRATION_SYNC_COMPLETED", "INTEGRATION_WEBHOOK_HANDLED"),
)
ALL_TYPES = (*VENDORS_TYPES, *OWN_TYPES)
assert set(TYPES) <= set(ALL_TYPES)
RECIPIENTS_MAX = 10

TypeText = Annotated[str, Meta(extra_json_schema={"enum": list(ALL_TYPES)})]


class Channel(StrEnum):
    """How they are told. Mail is not sent here."""

    WEBHOOK = "WEBHOOK"
    EMAIL = "EMAIL"


class CreatePolicyRequest(Request):
    name: str
    channel: Channel
    recipients: Annotated[list[str], Meta(min_length=1, max_length=RECIPIENTS_MAX)]
    notification_types: list[str] | None = None
    webhook_secret: str | None = None
    sequence_account_id: str | None = None


class PoliciesQuery(Page):
    """Those that are told of a type."""

    notification_type: TypeText | None = None


class AddTypesRequest(Request):
    notification_types: Annotated[list[str], Meta(min_length=1)]


class AddRecipientsRequest(Request):
    recipients: Annotated[list[str], Meta(min_length=1, max_length=RECIPIENTS_MAX)]


class Policy(Shown):
    """``webhookSecret`` is in the answer that made one, and in no other."""

    id: UuidText
    sequence_account_id: UuidText
    name: str
    channel: Channel
    recipients: list[str]
    created_at: TimeText
    notification_types: list[TypeText] | None = None
    webhook_secret: str | None = None


class PolicyPage(Shown):
    items: list[Policy]
    pagination: Pagination
