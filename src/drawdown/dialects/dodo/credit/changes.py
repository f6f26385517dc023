"""Changes of customers and entitlements: what is asked laid over what there is, and judged as a whole."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UnsetType

from drawdown.core.commands import AmendCustomer, AmendEntitlement
from drawdown.core.types import Customer, Entitlement, Profiles
from drawdown.dialects.dodo.credit.wire import UpdateCustomerRequest, UpdateEntitlementRequest
from drawdown.dialects.dodo.reading import (
    EMAIL_MAX,
    NAME_MAX,
    PHONE_NUMBER_MAX,
    PROFILE,
    create_entitlement,
    metadata,
    optional_text,
)
from drawdown.dialects.dodo.wire import (
    CreateEntitlementRequest,
    CustomerProfile,
    EntitlementProfile,
)
from drawdown.web import fields
from drawdown.web.errors import BadRequest


def amend_entitlement(body: UpdateEntitlementRequest, before: Entitlement) -> AmendEntitlement:
    """The rules are those of a new one, on the whole of it. Raises ``BadRequest``."""
    if body.precision not in (None, before.scale):
        raise BadRequest("precision", f"left out, or {before.scale}: it never changes")
    asked = create_entitlement(_whole(body, before))
    return AmendEntitlement(
        entitlement=before.id,
        name=None if body.name is None else asked.name,
        unit=None if body.unit is None else asked.unit,
        expires_after_days=body.expires_after_days,
        overage=asked.overage,
        profiles=_changed(before.profiles, asked.profiles.get(PROFILE, {})),
    )


def _changed(before: Profiles, after: dict[str, Any]) -> Profiles:
    """What is otherwise: so that two changes at once both stand. None: it is there no more."""
    kept = before.get(PROFILE, {})
    found = {name: None for name in kept if name not in after}
    found |= {name: value for name, value in after.items() if kept.get(name) != value}
    return {PROFILE: found} if found else {}


def _whole(body: UpdateEntitlementRequest, before: Entitlement) -> CreateEntitlementRequest:
    """What a new one would have been asked for with."""
    profile = msgspec.convert(before.profiles.get(PROFILE, {}), EntitlementProfile)
    found: dict[str, Any] = {
        "name": before.name,
        "unit": before.unit,
        "precision": before.scale,
        "expires_after_days": before.expires_after_days,
        **msgspec.structs.asdict(profile),
    }
    for field in UpdateEntitlementRequest.__struct_fields__:
        value = getattr(body, field)
        if not isinstance(value, UnsetType) and (value is not None or _clears(field)):
            found[field] = value
    return CreateEntitlementRequest(**found)


_DEFAULTS = {
    field.name: field.default for field in msgspec.structs.fields(UpdateEntitlementRequest)
}


def _clears(field: str) -> bool:
    """Whether null says that there is to be none."""
    return isinstance(_DEFAULTS[field], UnsetType)


def amend_customer(body: UpdateCustomerRequest, before: Customer) -> AmendCustomer:
    """Metadata stands whole in the place of what was there, as the vendor's other maps do."""
    profile = msgspec.convert(before.profiles.get(PROFILE, {}), CustomerProfile)
    if not isinstance(body.phone_number, UnsetType):
        number = optional_text(body.phone_number, "phone_number", PHONE_NUMBER_MAX)
        profile = msgspec.structs.replace(profile, phone_number=number)
    if not isinstance(body.preferred_locale, UnsetType):
        locale = None if body.preferred_locale is None else str(body.preferred_locale)
        profile = msgspec.structs.replace(profile, preferred_locale=locale)
    given: dict[str, Any] = {"profiles": _changed(before.profiles, msgspec.to_builtins(profile))}
    if body.name is not None:
        given["name"] = fields.text(body.name, "name", longest=NAME_MAX)
    if body.email is not None:
        given["email"] = fields.text(body.email, "email", longest=EMAIL_MAX)
    if body.metadata is not None:
        given |= {"metadata": metadata(body.metadata), "clear_metadata": True}
    return AmendCustomer(customer=before.id, **given)
