"""An account as its pages have it, read and checked: who is in it, and whose the grants are.

Grants are kept in memory, since the vendor lists them all together; balances are read as their customer is
come to, and again for each pass.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from drawdown.core.commands import CreateCustomer
from drawdown.core.identity import parse
from drawdown.core.types import Instant
from drawdown.core.usage.records import CLOSED_FACTOR, METERS_MAX
from drawdown.dialects.sequence import imported
from drawdown.dialects.sequence.answering import PROFILE
from drawdown.dialects.sequence.credit.wire import CreditType
from drawdown.dialects.sequence.customers import known, reading
from drawdown.dialects.sequence.dates import UTC, Days
from drawdown.dialects.sequence.usage.measures import definition_of
from drawdown.dialects.sequence.usage.wire import Definition, MetricRequest
from drawdown.importing.pages import Folder, checked
from drawdown.importing.problems import ImportRefused, Problem, Problems
from drawdown.importing.sequence import places, records
from drawdown.importing.writing import Person
from drawdown.web import fields
from drawdown.web.errors import BadRequest

#: So many of what is left out are named; the number is of all.
NAMED_MAX = 5


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """A metric. Without a ``definition`` it is credit that nothing draws by itself.

    ``rank`` counts those of one instant, the oldest first.
    """

    there: str
    name: str
    created_at: Instant
    rank: int
    definition: Definition | None
    deleted_at: str | None = None


class Alias(msgspec.Struct, frozen=True):
    text: str
    created_at: Instant
    label: str | None = None


class Listed(msgspec.Struct, frozen=True):
    """A grant, and the page that it is on. ``number`` counts all of the account, the oldest first."""

    page: str
    record: records.Grant
    number: int


class Account(msgspec.Struct, kw_only=True):
    """Whose pages they are, its customers, the oldest first, with their aliases; metrics; and grants.

    ``days`` are those of the vendor's dates. ``left_out`` is told.
    """

    folder: Folder
    days: Days = UTC
    business: str = ""
    people: dict[str, Person] = {}
    aliases: dict[str, list[Alias]] = {}
    kinds: dict[str, Kind] = {}
    grants: dict[str, list[Listed]] = {}
    left_out: list[str] = []


def read_account(folder: Folder, problems: Problems, now: Instant) -> Account:
    """Raises ``ImportRefused`` for pages that are not one account's, or not all of it."""
    missing = [name for name in places.PATHS if not folder.has(name)]
    if missing:
        raise ImportRefused(
            f"{folder.root} has no folder {' and no folder '.join(missing)}.",
            "docs/dialects/sequence.md says which pages have to be there.",
        )
    for name in places.PATHS:
        _check_list(folder, name, problems)
    listed = read_grants(folder, problems)
    metrics = folder.records(places.METRICS, records.Metric, lambda each: each.id, problems)
    account = Account(folder=folder, business=_business(folder, listed, metrics))
    account.people = _people(folder, listed, problems, now)
    _add_aliases(account, problems, now)
    _add_kinds(account, metrics, problems, now)
    _add_grants(account, listed, problems)
    _add_unlisted_kinds(account, now)
    return account


def _check_list(folder: Folder, name: str, problems: Problems) -> None:
    """Note a list that was not got at all, or not to its end."""
    last = folder.last(name)
    if last is None:
        problems.add(Problem(name, "", "", "there is no page of it."))
    elif not last.is_last:
        problems.add(Problem(name, "", "", "its last page says that there are more."))


def _business(
    folder: Folder, listed: list[Listed], metrics: list[tuple[str, records.Metric]]
) -> str:
    found = {each.record.sequence_account_id for each in listed}
    found |= {each.sequence_account_id for _, each in metrics}
    if len(found) > 1:
        raise ImportRefused(
            f"{folder.root} has pages of {len(found)} accounts: {', '.join(sorted(found))}.",
            "Import each from a folder of its own.",
        )
    return "".join(found)


# Grants ------------------------------------------------------------------------------------------


def read_grants(folder: Folder, problems: Problems) -> list[Listed]:
    """The oldest first."""
    read = folder.records(places.GRANTS, records.Grant, lambda each: each.id, problems)
    return [Listed(page, each, number) for number, (page, each) in enumerate(reversed(read))]


def _add_grants(account: Account, listed: list[Listed], problems: Problems) -> None:
    for each in listed:
        if each.record.customer_id in account.people:
            account.grants.setdefault(each.record.customer_id, []).append(each)
        else:
            rule = "that of a customer on the pages of customers."
            problems.add(Problem(each.page, each.record.id, "customerId", rule))


# Customers ---------------------------------------------------------------------------------------


def unlisted(listed: list[Listed], known_ones: set[str]) -> list[str]:
    """Who has grants and is not on the list of customers."""
    found = dict.fromkeys(each.record.customer_id for each in listed)
    return [each for each in found if each not in known_ones]


def _read_customers(
    folder: Folder, listed: list[Listed], problems: Problems
) -> list[tuple[str, records.Customer]]:
    """The oldest first."""
    found = folder.records(places.CUSTOMERS, records.Customer, lambda each: each.id, problems)
    read = found[::-1]
    for name in unlisted(listed, {each.id for _, each in found}):
        page = places.unlisted(name)
        record = folder.object(page, records.Customer, problems)
        if record is not None and record.id != name:
            problems.add(Problem(page, record.id, "id", f"{name}, whose folder it is in."))
        elif record is not None:
            read.append((page, record))
    return read


def _people(
    folder: Folder, listed: list[Listed], problems: Problems, now: Instant
) -> dict[str, Person]:
    found = []
    for page, record in _read_customers(folder, listed, problems):
        person = checked(problems, page, record.id, _person, record, now)
        if person is not None:
            found.append(person)
    found.sort(key=lambda each: each.created_at)
    return {each.there: each for each in found}


def _person(record: records.Customer, now: Instant) -> Person:
    identifier, created_at = parse(record.id), instant(record.created_at, "createdAt", now)
    name = None if record.legal_name == record.id else fields.text(record.legal_name, "legalName")
    archived = record.archived_at is not None
    return Person(
        created_at=created_at,
        there=record.id,
        id=identifier,
        deleted=archived,
        command=CreateCustomer(
            own_id=record.id if identifier is None else None,
            name=name,
            email=record.contacts[0].email or None if record.contacts else None,
            profiles={**imported.profile(record.id, archived=archived), PROFILE: _details(record)},
            created_at=created_at,
        ),
    )


def _details(record: records.Customer) -> dict[str, Any]:
    """What this dialect keeps beside a customer."""
    found = {
        "address": _given(record.address or records.Address()),
        "contacts": [_given(each) for each in record.contacts],
        "taxStatus": record.tax_status.value,
        "label": record.label,
        "url": record.url,
        "parentId": record.parent_id,
        "integrationIds": [_given(each) for each in record.integration_ids or ()],
    }
    return {name: value for name, value in found.items() if value is not None}


def _given(record: records.Record) -> dict[str, Any]:
    return {name: each for name, each in msgspec.to_builtins(record).items() if each is not None}


# Aliases -----------------------------------------------------------------------------------------


def _add_aliases(account: Account, problems: Problems, now: Instant) -> None:
    """Those of the list, and those that only a customer's record has. What cannot be one here is left out."""
    whose: dict[str, str] = {}
    refused: list[str] = []
    folder = account.folder
    read = folder.records(places.ALIASES, records.Alias, lambda each: each.id, problems)
    for page, record in reversed(read):
        if record.deleted_at is not None:
            continue  # it was taken back, and may be another's by now
        when = checked(problems, page, record.id, instant, record.created_at, "createdAt", now)
        if record.customer_id not in account.people:
            rule = "that of a customer on the pages of customers."
            problems.add(Problem(page, record.id, "customerId", rule))
        elif when is not None:
            taken = whose.setdefault(record.value, record.customer_id)
            if taken != record.customer_id:
                rule = f"that of one customer; {record.value} is of {taken}, too."
                problems.add(Problem(page, record.id, "value", rule))
            alias = Alias(record.value, when, record.label or None)
            _add_alias(account, record.customer_id, alias, refused)
    for page, customer in folder.records(
        places.CUSTOMERS, records.Customer, lambda each: each.id, problems
    ):
        for text in customer.customer_aliases or ():
            taken = whose.setdefault(text, customer.id)
            if taken != customer.id:
                rule = f"those of one customer; {text} is of {taken}, too."
                problems.add(Problem(page, customer.id, "customerAliases", rule))
            elif customer.id in account.people:
                since = account.people[customer.id].created_at
                _add_alias(account, customer.id, Alias(text, since), refused)
    _leave_out(account, "aliases that nobody can have here", refused)


def _add_alias(account: Account, customer: str, alias: Alias, refused: list[str]) -> None:
    found = account.aliases.setdefault(customer, [])
    if alias.text == customer or any(each.text == alias.text for each in found):
        return  # by his id he is found anyway
    try:
        reading.alias(alias.text, "value")
        known.check_room(len(found) + 1, "value")
    except BadRequest:
        refused.append(f"{alias.text!r} of {customer}"[:200])
    else:
        found.append(alias)


def _leave_out(account: Account, what: str, named: list[str]) -> None:
    if named:
        more = "" if len(named) <= NAMED_MAX else " and others"
        shown = "; ".join(named[:NAMED_MAX])
        account.left_out = [*account.left_out, f"{what}: {len(named):,}: {shown}{more}"]


# Metrics -----------------------------------------------------------------------------------------


def _add_kinds(
    account: Account,
    metrics: list[tuple[str, records.Metric]],
    problems: Problems,
    now: Instant,
) -> None:
    """The oldest first. Of one that cannot be counted here the credit comes all the same."""
    refused: list[str] = []
    names: dict[str, str] = {}
    made = Counter[Instant]()
    for page, record in reversed(metrics):
        when = checked(problems, page, record.id, instant, record.created_at, "createdAt", now)
        if when is None:
            continue
        kind = _kind(record, when, made[when], refused)
        made[when] += 1
        account.kinds[kind.there] = kind
        if kind.deleted_at is None and names.setdefault(kind.name, kind.there) != kind.there:
            rule = f"not that of {names[kind.name]}, too: {kind.name}."
            problems.add(Problem(page, record.id, "name", rule))
    _check_room(account, problems)
    _leave_out(account, "metrics that cannot be counted here, whose credit comes", refused)


def _check_room(account: Account, problems: Problems) -> None:
    """A metric has a meter, of which a book has so many."""
    counted = [each for each in account.kinds.values() if each.definition is not None]
    living = sum(each.deleted_at is None for each in counted)
    if living > METERS_MAX or len(counted) > METERS_MAX * CLOSED_FACTOR:
        most = f"{METERS_MAX}, and {METERS_MAX * CLOSED_FACTOR:,} with those that are deleted"
        rule = f"there must be at most {most}; there are {living:,} and {len(counted):,}."
        problems.add(Problem(places.METRICS, "", "", rule))


def _kind(record: records.Metric, when: Instant, rank: int, refused: list[str]) -> Kind:
    """A page's names are those of a request, so the dialect reads it."""
    asked = {
        name: getattr(record, name)
        for name in MetricRequest.__struct_fields__
        if name != "sequence_account_id"
    }
    definition = None
    try:
        definition = definition_of(MetricRequest(**asked))
    except BadRequest as error:
        refused.append(f"{record.name} ({record.id}): {error.field} must be {error.rule}")
    return Kind(
        there=record.id,
        name=record.name,
        created_at=when,
        rank=rank,
        definition=definition,
        deleted_at=record.deleted_at,
    )


def _add_unlisted_kinds(account: Account, now: Instant) -> None:
    """Units of what is no metric there: on another Drawdown, kinds of credit that another dialect made."""
    for customer, listed in account.grants.items():
        for each in listed:
            metric = each.record.metric_id
            if each.record.type is CreditType.USAGE and metric and metric not in account.kinds:
                name = _name_of(account.folder, customer, metric) or metric
                since = checked(
                    Problems(), "", "", instant, each.record.created_at, "createdAt", now
                )
                account.kinds[metric] = Kind(
                    there=metric, name=name, created_at=since or Instant(0), rank=0, definition=None
                )


def _name_of(folder: Folder, customer: str, metric: str) -> str | None:
    """As the balance of it is called, once that page is there."""
    found = folder.object(places.balances(customer), records.Balances, Problems())
    named = [] if found is None else [each.name for each in found.items if each.id == metric]
    return next(iter(named), None)


# Scalars -----------------------------------------------------------------------------------------


def instant(text: str, field: str, now: Instant) -> Instant:
    """One that has been. Raises ``BadRequest``."""
    found = fields.instant(text, field, assume_utc=True)
    if found > now:
        raise BadRequest(field, "in the past, by this machine's clock")
    return found
