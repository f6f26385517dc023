"""An account as its pages have it, read and checked: what is to be made of each record of it.

A wallet is read when it is come to, and again for each pass: of a large account no more is kept in memory
than its customers and one entitlement's balances.
"""

from __future__ import annotations

import msgspec

from drawdown.core import amounts
from drawdown.core.commands import CreateCustomer, CreateEntitlement
from drawdown.core.identity import parse
from drawdown.core.types import Id, Instant
from drawdown.dialects.dodo import reading
from drawdown.dialects.dodo.credit import imported
from drawdown.dialects.dodo.credit.imported import FromVendor
from drawdown.dialects.dodo.wire import CreateEntitlementRequest, CustomerProfile
from drawdown.importing.dodo import places, records
from drawdown.importing.pages import Folder, checked
from drawdown.importing.problems import ImportRefused, Problem, Problems
from drawdown.importing.writing import Person
from drawdown.web import fields
from drawdown.web.errors import BadRequest


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """An entitlement. ``command`` makes it; ``id`` is what it is to be called by, where it can be."""

    name: str
    scale: int
    deleted: bool
    created_at: Instant
    there: str
    id: Id | None
    command: CreateEntitlement

    def decimal(self, units: int) -> str:
        return amounts.render(units, self.scale)


class Account(msgspec.Struct, kw_only=True):
    """Whose pages they are; who and what is in them: the oldest first, but what was deleted before all."""

    folder: Folder
    business: str
    kinds: list[Kind]
    people: dict[str, Person]


def read_account(folder: Folder, problems: Problems, now: Instant) -> Account:
    """Its entitlements and customers. Raises ``ImportRefused`` for pages that are not one account's."""
    missing = [name for name in (places.ENTITLEMENTS, places.CUSTOMERS) if not folder.has(name)]
    if missing:
        raise ImportRefused(
            f"{folder.root} has no folder {' and no folder '.join(missing)}.",
            "docs/dialects/dodo.md says which pages have to be there.",
        )
    business: set[str] = set()
    kinds = _kinds(folder, problems, now, business)
    people = _people(folder, problems, now, business)
    if len(business) > 1:
        raise ImportRefused(
            f"{folder.root} has pages of {len(business)} businesses: {', '.join(sorted(business))}.",
            "Import each from a folder of its own.",
        )
    _check_names(kinds, problems)
    return Account(folder=folder, business="".join(business), kinds=kinds, people=people)


def _kinds(folder: Folder, problems: Problems, now: Instant, business: set[str]) -> list[Kind]:
    found: dict[str, Kind] = {}
    for name, deleted in ((places.DELETED, True), (places.ENTITLEMENTS, False)):
        for page, record in folder.records(
            name, records.Entitlement, lambda each: each.id, problems
        ):
            business.add(record.business_id)
            kind = checked(problems, page, record.id, _kind, record, deleted, now)
            if kind is not None:
                found[kind.there] = kind
    # What was deleted comes first: it gives its name back to what lives.
    return sorted(found.values(), key=lambda each: (not each.deleted, each.created_at))


def _kind(record: records.Entitlement, deleted: bool, now: Instant) -> Kind:
    asked = {name: getattr(record, name) for name in CreateEntitlementRequest.__struct_fields__}
    if asked["price_per_unit"] is not None:
        asked["price_per_unit"] = plain(asked["price_per_unit"])
    try:
        body = msgspec.convert(asked, CreateEntitlementRequest)
    except msgspec.ValidationError as error:
        raise BadRequest("", f"one that may be made: {error}") from None
    identifier, created_at = parse(record.id), instant(record.created_at, "created_at", now)
    made = reading.create_entitlement(body)
    mark = msgspec.to_builtins(FromVendor(business=record.business_id, id=record.id))
    return Kind(
        name=made.name or record.id,
        scale=made.scale,
        deleted=deleted,
        created_at=created_at,
        there=record.id,
        id=identifier,
        command=msgspec.structs.replace(
            made,
            code=record.id if identifier is None else None,
            profiles={**made.profiles, imported.PROFILE: mark},
            created_at=created_at,
        ),
    )


def _check_names(kinds: list[Kind], problems: Problems) -> None:
    seen: dict[str, str] = {}
    for kind in kinds:
        if kind.deleted:
            continue
        if kind.name in seen:
            rule = f"not that of {seen[kind.name]}, too: {kind.name}."
            problems.add(Problem(places.ENTITLEMENTS, kind.there, "name", rule))
        seen[kind.name] = kind.there


def _people(
    folder: Folder, problems: Problems, now: Instant, business: set[str]
) -> dict[str, Person]:
    found: list[Person] = []
    read = folder.records(
        places.CUSTOMERS, records.Customer, lambda each: each.customer_id, problems
    )
    for page, record in reversed(read):  # the newest are on the first page
        business.add(record.business_id)
        person = checked(problems, page, record.customer_id, _person, record, now)
        if person is not None:
            found.append(person)
    found.sort(key=lambda each: each.created_at)
    return {each.there: each for each in found}


def _person(record: records.Customer, now: Instant) -> Person:
    """A customer that was made without a name or an e-mail has none here either."""
    identifier, created_at = (
        parse(record.customer_id),
        instant(record.created_at, "created_at", now),
    )
    number = reading.optional_text(
        record.phone_number or None, "phone_number", reading.PHONE_NUMBER_MAX
    )
    profile = CustomerProfile(phone_number=number, preferred_locale=record.preferred_locale)
    mark = FromVendor(business=record.business_id, id=record.customer_id)
    kept = msgspec.to_builtins(profile)
    profiles = {imported.PROFILE: msgspec.to_builtins(mark)}
    return Person(
        created_at=created_at,
        there=record.customer_id,
        id=identifier,
        command=CreateCustomer(
            own_id=record.customer_id if identifier is None else None,
            name=_text(record.name, "name", reading.NAME_MAX),
            email=_text(record.email, "email", reading.EMAIL_MAX),
            metadata=reading.metadata(record.metadata),
            profiles={**profiles, reading.PROFILE: kept} if kept else profiles,
            created_at=created_at,
        ),
    )


def _text(value: str, field: str, longest: int) -> str | None:
    return fields.text(value, field, longest=longest) if value else None


# Scalars -----------------------------------------------------------------------------------------


def plain(text: str) -> str:
    """A decimal without zeros at its end: the vendor keeps 28 places."""
    return text.rstrip("0").rstrip(".") if "." in text else text


def units(text: str, field: str, scale: int) -> int:
    """Raises ``BadRequest`` for what is no amount of the entitlement's precision, or too large."""
    return amounts.to_units(fields.amount(plain(text), field), scale, field)


def instant(text: str, field: str, now: Instant) -> Instant:
    """One that has been. Raises ``BadRequest``."""
    found = fields.instant(text, field, assume_utc=True)
    if found > now:
        raise BadRequest(field, "in the past, by this machine's clock")
    return found
