"""What is asked and answered of Dodo's webhook endpoints."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from drawdown.dialects.dodo.wire import INT32_MAX

#: The types of event that the vendor's SDK knows (1.123.0, ``WebhookEventType``). Of them this server sends
#: those about credit; an endpoint may ask for any, as it did before it came here.
EVENT_TYPES = frozenset(
    f"{subject}.{event}"
    for subject, events in (
        ("payment", "succeeded failed processing cancelled"),
        ("refund", "succeeded failed"),
        ("dispute", "opened expired accepted cancelled challenged won lost"),
        (
            "subscription",
            "active renewed on_hold past_due paused unpaused cancelled failed expired plan_changed "
            "updated update_payment_method",
        ),
        ("license_key", "created"),
        ("payout", "created on_hold in_progress failed success"),
        (
            "credit",
            "added deducted expired rolled_over rollover_forfeited overage_charged overage_reset "
            "manual_adjustment balance_low",
        ),
        ("abandoned_checkout", "detected recovered"),
        ("dunning", "started recovered"),
        ("entitlement_grant", "created delivered failed revoked"),
    )
    for event in events.split()
)
LIMIT_MAX = 250

UrlText = Annotated[str, Meta(min_length=1, max_length=2_048)]
DescriptionText = Annotated[str, Meta(max_length=500)]
TypeText = Annotated[str, Meta(min_length=1, max_length=64)]
TypeList = Annotated[list[TypeText], Meta(max_length=len(EVENT_TYPES))]
RateLimit = Annotated[int, Meta(ge=1, le=INT32_MAX)]
HeaderMap = dict[str, str]


class CreateWebhookRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Without ``filter_types`` everything is sent; with an empty list nothing is."""

    url: UrlText
    description: DescriptionText | None = None
    disabled: bool | None = None
    filter_types: TypeList | None = None
    headers: HeaderMap | None = None
    idempotency_key: str | None = None
    metadata: dict[str, str] | None = None
    rate_limit: RateLimit | None = None


class UpdateWebhookRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What is left out stays as it is, and so does a ``url`` or ``disabled`` that is null."""

    url: UrlText | None = None
    disabled: bool | None = None
    description: DescriptionText | UnsetType | None = UNSET
    filter_types: TypeList | UnsetType | None = UNSET
    metadata: dict[str, str] | UnsetType | None = UNSET
    rate_limit: RateLimit | UnsetType | None = UNSET


class Webhook(msgspec.Struct, kw_only=True):
    """``rate_limit``: so many deliveries begin within any second at most; null: as many as there are."""

    id: str
    url: str
    description: str
    metadata: dict[str, str]
    disabled: bool
    filter_types: list[str] | None
    rate_limit: int | None
    created_at: str
    updated_at: str


class ListWebhooksQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """``iterator`` is that of the page before."""

    limit: Annotated[int, Meta(ge=1, le=LIMIT_MAX)] = 50
    iterator: str | None = None


class WebhookPage(msgspec.Struct, kw_only=True):
    data: list[Webhook]
    iterator: str | None
    prev_iterator: str | None
    done: bool


class WebhookSecret(msgspec.Struct):
    secret: str


class WebhookHeaders(msgspec.Struct, kw_only=True):
    """Of what is ``sensitive`` only the names are shown."""

    headers: HeaderMap
    sensitive: list[str]


class UpdateHeadersRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Added to the headers that there are, in the place of those of the same names; an empty one removes."""

    headers: HeaderMap
