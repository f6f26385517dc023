"""What is asked of the feed, of streams and of webhook endpoints."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from drawdown.dialects.native.asked import PageQuery, Request
from drawdown.dialects.native.scalars import Limit, MetadataMap, ReferenceText, TimeText

TYPES_MAX = 50
DESCRIPTION_MAX = 500
PAGE_DEFAULT = 20

TypeText = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        description="The type of an event, or its beginning with a * at the end.",
        extra_json_schema={"examples": ["debit.*"]},
    ),
]
TypeList = Annotated[list[TypeText], Meta(min_length=1, max_length=TYPES_MAX)]
FormatText = Annotated[str, Meta(min_length=1, max_length=32)]
UrlText = Annotated[str, Meta(min_length=1, max_length=2_048)]
DescriptionText = Annotated[str, Meta(max_length=DESCRIPTION_MAX)]


class FeedQuery(Request):
    """``after`` is the ``next`` of the page before; left out: from the beginning."""

    after: str | None = None
    limit: Limit = PAGE_DEFAULT
    type: TypeText | None = None
    customer: ReferenceText | None = None


class CreateEndpoint(Request):
    """What happens from now on is sent to ``url``: all of it, without ``types``.

    ``format`` is whose events they are: how they are called, rendered and signed. It takes no idempotency
    key: the answer holds a secret, and those answers would be stored.
    """

    url: UrlText
    format: FormatText = "native"
    types: TypeList | None = None
    customer: ReferenceText | None = None
    ordered: bool = False
    enabled: bool = True
    description: DescriptionText | None = None
    metadata: MetadataMap | None = None


class ChangeEndpoint(Request):
    """What is left out stays as it is."""

    url: UrlText | None = None
    types: TypeList | None = None
    ordered: bool | None = None
    enabled: bool | None = None
    description: DescriptionText | None = None
    metadata: MetadataMap | None = None


class Redeliver(Request):
    """One of them: an event, or a time since when everything is sent again."""

    event: str | None = None
    since: TimeText | None = None


class Nothing(Request):
    """The body may be empty."""


class DeliveriesQuery(PageQuery):
    pass


class DeadQuery(Request):
    """``after`` is the ``next`` of the page before."""

    after: str | None = None
    limit: Limit = PAGE_DEFAULT
