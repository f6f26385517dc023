"""An account as its pages have it, read and checked: who is in it, and whose the grants are.

Grants are kept in memory, since the vendor lists them all together; transactions are read as their customer
is come to, and again for each pass.
"""

from __future__ import annotations

from typing import Any

import msgspec

from drawdown.core.commands import CreateCustomer
from drawdown.core.identity import parse
from drawdown.core.types import MICROSECONDS, Instant, Metadata
from drawdown.dialects.stripe import imported, parameters, wire
from drawdown.dialects.stripe.imported import CustomerThere
from drawdown.dialects.stripe.requests import (
    Address,
    CustomerDetails,
    CustomField,
    RenderingOptions,
)
from drawdown.importing.pages import Folder, checked
from drawdown.importing.problems import ImportRefused, Problem, Problems
from drawdown.importing.stripe import places, records
from drawdown.importing.writing import Person
from drawdown.web import fields
from drawdown.web.errors import BadRequest


class Listed(msgspec.Struct, frozen=True):
    """A grant, and the page that it is on. ``number`` counts all of the account, the oldest first."""

    page: str
    record: records.Grant
    number: int


class Account(msgspec.Struct, kw_only=True):
    """Its customers, the oldest first, and the grants of each who has any. ``left_out`` is told."""

    folder: Folder
    people: dict[str, Person]
    grants: dict[str, list[Listed]]
    left_out: list[str] = []


def read_account(folder: Folder, problems: Problems, now: Instant) -> Account:
    """Raises ``ImportRefused`` for pages that are not one account's, or not all of it."""
    missing = [name for name in (places.CUSTOMERS, places.GRANTS) if not folder.has(name)]
    if missing:
        raise ImportRefused(
            f"{folder.root} has no folder {' and no folder '.join(missing)}.",
            "docs/dialects/stripe.md says which pages have to be there.",
        )
    for name in (places.CUSTOMERS, places.GRANTS):
        check_list(folder, name, problems)
    customers = folder.records(places.CUSTOMERS, records.Customer, lambda each: each.id, problems)
    listed = _grants(folder, problems)
    modes = {each.livemode for _, each in customers} | {each.record.livemode for each in listed}
    if len(modes) > 1:
        raise ImportRefused(
            f"{folder.root} has pages of both modes, live and test.",
            "Import each from a folder of its own.",
        )
    account = Account(folder=folder, people={}, grants={})
    account.people = _people(account, customers, listed, problems, now)
    _add_grants(account, listed, problems)
    return account


def check_list(folder: Folder, name: str, problems: Problems) -> None:
    """Note a list that was not got at all, or not to its end."""
    last = folder.last(name)
    if last is None:
        problems.add(Problem(name, "", "", "there is no page of it."))
    elif not last.is_last:
        problems.add(Problem(name, "", "", "its last page says that there are more."))


def _grants(folder: Folder, problems: Problems) -> list[Listed]:
    """The oldest first."""
    read = folder.records(places.GRANTS, records.Grant, lambda each: each.id, problems)
    return [Listed(page, each, number) for number, (page, each) in enumerate(reversed(read))]


def _add_grants(account: Account, listed: list[Listed], problems: Problems) -> None:
    """Those on test clocks are left out: their time is not ours."""
    clocked = [each for each in listed if each.record.test_clock is not None]
    for each in listed:
        record = each.record
        if record.test_clock is not None:
            continue
        if record.customer not in account.people:
            rule = "that of a customer on the pages of customers."
            problems.add(Problem(each.page, record.id, "customer", rule))
        else:
            account.grants.setdefault(record.customer, []).append(each)
    if clocked:
        people = {each.record.customer for each in clocked}
        account.left_out.append(
            f"grants of customers on test clocks: {len(clocked):,}, of {len(people):,} customers"
        )


# Customers ---------------------------------------------------------------------------------------


def _people(
    account: Account,
    customers: list[tuple[str, records.Customer]],
    listed: list[Listed],
    problems: Problems,
    now: Instant,
) -> dict[str, Person]:
    read = [(page, each) for page, each in reversed(customers) if each.test_clock is None]
    known = {each.id for _, each in customers}
    for name in unlisted(listed, known):
        page = places.unlisted(name)
        record = account.folder.object(page, records.Customer, problems)
        if record is not None and record.id != name:
            problems.add(Problem(page, record.id, "id", f"{name}, whose folder it is in."))
        elif record is not None and record.test_clock is None:
            read.append((page, record))
    first = {each.record.customer: each.record.created for each in reversed(listed)}
    found = []
    for page, record in read:
        since = first.get(record.id) if record.created is None else record.created
        person = checked(problems, page, record.id, _person, record, since, now)
        if person is not None:
            found.append(person)
    found.sort(key=lambda each: each.created_at)
    return {each.there: each for each in found}


def unlisted(listed: list[Listed], known: set[str]) -> list[str]:
    """Who has grants and is not on the list of customers: whoever was deleted."""
    records_ = [each.record for each in listed if each.record.test_clock is None]
    return list(dict.fromkeys(each.customer for each in records_ if each.customer not in known))


def _person(record: records.Customer, since: int | None, now: Instant) -> Person:
    """``since``: of one who was deleted, when his first grant was made."""
    if since is None:
        raise BadRequest("created", "given: seconds since 1970")
    identifier, created_at = parse(record.id), instant(since, "created", now)
    mark = CustomerThere(id=record.id, deleted=record.deleted)
    profiles = {imported.PROFILE: msgspec.to_builtins(mark)}
    return Person(
        created_at=created_at,
        there=record.id,
        id=identifier,
        deleted=record.deleted,
        command=CreateCustomer(
            own_id=record.id if identifier is None else None,
            name=record.name or None,
            email=record.email or None,
            metadata=metadata(record.metadata),
            profiles={**profiles, **wire.customer_profile(_details(record))},
            created_at=created_at,
        ),
    )


_DETAILS = tuple(
    name
    for name in CustomerDetails.__struct_fields__
    if name not in {"address", "invoice_settings", "shipping"}
)


def _details(record: records.Customer) -> CustomerDetails:
    """What this dialect keeps beside a customer. Raises ``BadRequest``."""
    found: dict[str, Any] = {name: getattr(record, name) or None for name in _DETAILS}
    if record.address is not None:
        found["address"] = _known(record.address, Address)
    if record.shipping is not None:
        found["shipping"] = {
            name: record.shipping.get(name)
            for name in ("name", "phone")
            if record.shipping.get(name) is not None
        }
        address = record.shipping.get("address")
        found["shipping"]["address"] = _known(address, Address)
    if record.invoice_settings is not None:
        found["invoice_settings"] = _invoice_settings(record.invoice_settings)
    try:
        return msgspec.convert(found, CustomerDetails)
    except msgspec.ValidationError as error:
        raise BadRequest("", f"one that may be made: {error}") from None


def _invoice_settings(given: dict[str, Any]) -> dict[str, Any] | None:
    found: dict[str, Any] = {}
    if given.get("footer"):
        found["footer"] = given["footer"]
    custom = given.get("custom_fields")
    if isinstance(custom, list) and custom:
        found["custom_fields"] = [_known(each, CustomField) for each in custom]
    if options := _known(given.get("rendering_options"), RenderingOptions):
        found["rendering_options"] = options
    return found or None


def _known(given: Any, kind: type[msgspec.Struct]) -> dict[str, Any]:
    """As far as this dialect has words for it."""
    if not isinstance(given, dict):
        return {}
    return {
        name: given[name] for name in kind.__struct_fields__ if given.get(name) not in (None, "")
    }


# Scalars -----------------------------------------------------------------------------------------


def metadata(given: dict[str, str] | None) -> Metadata:
    """Raises ``BadRequest``."""
    return {
        **fields.metadata(
            given or {},
            keys_max=parameters.METADATA_KEYS_MAX,
            key_max=parameters.METADATA_KEY_MAX,
            value_max=parameters.METADATA_VALUE_MAX,
        )
    }


def instant(seconds: int, field: str, now: Instant) -> Instant:
    """One that has been. Raises ``BadRequest``."""
    found = Instant(seconds * MICROSECONDS)
    if found > now:
        raise BadRequest(field, "in the past, by this machine's clock")
    return found
