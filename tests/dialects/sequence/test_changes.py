"""Customers found, changed and archived, and their aliases given, exchanged and taken back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import msgspec
import pytest
from msgspec import UNSET

from drawdown.dialects.sequence.customers.customers import LEVELS_MAX
from tests.dialects.sequence.contract import (
    Alias,
    Aliases,
    Customer,
    CustomerByAlias,
    Customers,
    CustomersAliases,
    read,
    refusal,
)
from tests.dialects.sequence.support import CUSTOMER, new_credit, new_customer, outstanding

NOBODY = "019b7e4c-5d2a-7c41-8f0e-3a5b6c7d8e9f"


def found(sequence: httpx.Client, text: str) -> Customer:
    return read(sequence.get(f"/customers/{text}"), 200, Customer)


def values(sequence: httpx.Client, text: str) -> list[str]:
    page = read(sequence.get(f"/customers/{text}/aliases"), 200, CustomersAliases)
    return [each.value for each in page.items]


def new_alias(sequence: httpx.Client, customer: str, value: str) -> Alias:
    body = {"customerId": customer, "value": value}
    return read(sequence.post("/customer-aliases", json=body), 201, Alias)


def test_a_customer_is_found_by_id_and_by_alias(sequence: httpx.Client) -> None:
    made = new_customer(sequence, customerAliases=["acme", "acme-eu"])
    for text in (made.id, "acme", "acme-eu"):
        assert found(sequence, text) == made
    by_alias = read(sequence.get("/customers/by-alias/acme-eu"), 200, CustomerByAlias)
    earlier = {"email": "ada@acme.example", "billingEmails": ["ada@acme.example"]}
    earlier["contactName"] = "Ada"
    assert msgspec.to_builtins(by_alias) == msgspec.to_builtins(made) | earlier
    for path in ("/customers/nobody", "/customers/by-alias/nobody", f"/customers/{NOBODY}"):
        refusal(sequence.get(path), 404, "NotFound", "customer")


def test_one_who_was_made_elsewhere_has_what_is_known(
    sequence: httpx.Client, native: httpx.Client
) -> None:
    """What was never given is empty; his own id is an alias."""
    native.post("/customers", json={"id": "ada", "name": "Ada", "email": "ada@example.com"})
    native.post("/customers", json={"id": "bare"})
    ada, bare = found(sequence, "ada"), found(sequence, "bare")
    assert (ada.legal_name, ada.tax_status, ada.customer_aliases) == ("Ada", "TAXED", ["ada"])
    assert [(each.name, each.email) for each in ada.contacts] == [("Ada", "ada@example.com")]
    assert (bare.legal_name, bare.contacts, bare.address.line1) == ("bare", [], "")


def test_an_update_puts_all_of_it_in_the_place_of_what_there_was(
    sequence: httpx.Client, native: httpx.Client, customer: str
) -> None:
    body = CUSTOMER | {"label": "big", "url": "https://acme.example", "parentId": customer}
    made = read(sequence.post("/customers", json=body), 201, Customer)
    change = CUSTOMER | {"legalName": "Acme plc", "contacts": [], "taxStatus": "TAX_EXEMPT"}
    after = read(sequence.put(f"/customers/{made.id}", json=change), 200, Customer)
    assert (after.id, after.created_at) == (made.id, made.created_at)
    assert (after.legal_name, after.contacts, after.tax_status) == ("Acme plc", [], "TAX_EXEMPT")
    assert {after.label, after.url, after.parent_id} == {UNSET}
    assert found(sequence, made.id) == after
    shown = native.get(f"/customers/{made.id}").json()
    assert (shown["name"], shown["email"]) == ("Acme plc", None)


def test_an_update_exchanges_the_aliases_only_where_they_are_given(sequence: httpx.Client) -> None:
    made = new_customer(sequence, customerAliases=["a", "b"])
    kept = read(sequence.put(f"/customers/{made.id}", json=CUSTOMER), 200, Customer)
    assert kept.customer_aliases == ["a", "b"]
    body = CUSTOMER | {"customerAliases": ["b", "c"]}
    after = read(sequence.put(f"/customers/{made.id}", json=body), 200, Customer)
    assert after.customer_aliases == ["b", "c"]
    refusal(sequence.get("/customers/a"), 404, "NotFound")
    assert new_customer(sequence, customerAliases=["a"]).customer_aliases == ["a"]
    taken = sequence.put(f"/customers/{made.id}", json=CUSTOMER | {"customerAliases": ["a"]})
    refusal(taken, 400, "ValidationError", "alias", "'a'", "taken")
    assert found(sequence, made.id) == after


def test_one_who_is_archived_is_granted_nothing_and_stays_readable(
    sequence: httpx.Client, customer: str
) -> None:
    """Of his aliases none is given or exchanged any more; one that is taken back is free for others."""
    new_credit(sequence, customer)
    alias = new_alias(sequence, customer, "acme")
    archived = read(sequence.post(f"/customers/{customer}/archive"), 200, Customer)
    assert archived.archived_at is not UNSET
    assert read(sequence.post(f"/customers/{customer}/archive"), 200, Customer) == archived
    assert found(sequence, customer) == archived
    assert len(outstanding(sequence, customer)) == 1
    for answer in (
        sequence.put(f"/customers/{customer}", json=CUSTOMER),
        sequence.post("/customer-aliases", json={"customerId": customer, "value": "late"}),
        sequence.put(f"/customer-aliases/{alias.id}", json={"value": "late"}),
    ):
        refusal(answer, 400, "InvalidState", "archived")
    body = CUSTOMER | {"customerAliases": ["acme"]}
    refusal(sequence.post("/customers", json=body), 400, "ValidationError", "acme", "taken")
    assert sequence.delete(f"/customer-aliases/{alias.id}").status_code == 200
    assert new_customer(sequence, customerAliases=["acme"]).id == found(sequence, "acme").id


def test_an_alias_is_given_exchanged_and_taken_back(sequence: httpx.Client, customer: str) -> None:
    first = new_alias(sequence, customer, "one")
    assert (first.customer_id, first.value) == (customer, "one")
    assert found(sequence, "one").customer_aliases == ["one"]
    answer = sequence.put(f"/customer-aliases/{first.id}", json={"value": "two"})
    after = read(answer, 200, Alias)
    assert (after.id, after.value, after.created_at) == (first.id, "two", first.created_at)
    refusal(sequence.get("/customers/one"), 404, "NotFound")
    assert found(sequence, "two").id == customer
    assert sequence.delete(f"/customer-aliases/{first.id}").status_code == 200
    refusal(sequence.get("/customers/two"), 404, "NotFound")
    for again in (
        sequence.delete(f"/customer-aliases/{first.id}"),
        sequence.put(f"/customer-aliases/{first.id}", json={"value": "three"}),
        sequence.delete("/customer-aliases/nothing"),
    ):
        refusal(again, 404, "NotFound", "alias")


def test_an_alias_has_a_label_which_alone_can_be_changed(
    sequence: httpx.Client, customer: str
) -> None:
    """As the vendor's update does. Left out, there is none; the alias stays what it is."""
    given = {"customerId": customer, "value": "one", "label": "CRM ID"}
    after = made = read(sequence.post("/customer-aliases", json=given), 201, Alias)
    path = f"/customer-aliases/{made.id}"
    assert (made.value, made.label) == ("one", "CRM ID")
    changes: list[tuple[dict[str, Any], Any, str]] = [
        ({"label": "ERP ID"}, "ERP ID", "one"),
        ({"label": "ERP ID"}, "ERP ID", "one"),
        ({"value": "two", "label": "ERP ID"}, "ERP ID", "two"),
        ({}, UNSET, "two"),
        ({"label": "CRM ID", "value": None}, "CRM ID", "two"),
    ]
    for body, label, value in changes:
        after = read(sequence.put(path, json=body), 200, Alias)
        assert (after.id, after.label, after.value) == (made.id, label, value)
        [listed] = read(sequence.get("/customer-aliases"), 200, Aliases).items
        his = read(sequence.get(f"/customers/{value}/aliases"), 200, CustomersAliases)
        assert [listed] == his.items == [after]
    gone = read(sequence.delete(path), 200, Alias)
    assert isinstance(gone.deleted_at, str)
    assert msgspec.structs.replace(gone, deleted_at=UNSET) == after


def test_an_alias_is_found_in_the_list_by_what_it_says(
    sequence: httpx.Client, customer: str
) -> None:
    for value in ("one", "two"):
        new_alias(sequence, customer, value)
    for value, expected in (("two", ["two"]), ("TWO", []), ("three", [])):
        listed = read(sequence.get("/customer-aliases", params={"value": value}), 200, Aliases)
        assert ([each.value for each in listed.items], listed.pagination.after) == (expected, UNSET)


def test_customers_are_listed_by_name_address_and_alias(
    sequence: httpx.Client, native: httpx.Client
) -> None:
    """By the vendor's filters, each beside the others; and either way round."""
    contact = CUSTOMER["contacts"][0]
    acme = new_customer(sequence, customerAliases=["acme", "acme-eu"]).id
    contacts = [contact | {"email": "bob@globex.example"}]
    globex = new_customer(sequence, legalName="Globex plc", contacts=contacts).id
    gone = new_customer(sequence, legalName="Globex Two", contacts=[]).id
    sequence.post(f"/customers/{gone}/archive")
    native.post("/customers", json={"id": "own"})
    [own] = [each["id"] for each in sequence.get("/customers").json()["items"][:1]]
    for query, expected in (
        ({}, [own, gone, globex, acme]),
        ({"sortOrder": "ASC", "sortBy": "createdAt"}, [acme, globex, gone, own]),
        ({"legalName": "globex"}, [gone, globex]),
        ({"legalName": "globex", "includeArchived": "false"}, [globex]),
        ({"includeArchived": "false"}, [own, globex, acme]),
        ({"includeArchived": "false", "sortOrder": "ASC"}, [acme, globex, own]),
        ({"email": "bob@globex.example"}, [globex]),
        ({"email": "nobody@globex.example"}, []),
        ({"alias": "acme-eu"}, [acme]),
        ({"alias": "ACME"}, []),
        ({"alias": "own", "includeArchived": "true"}, [own]),
        ({"alias": acme, "legalName": "acme", "email": "ada@acme.example"}, [acme]),
        ({"alias": "acme", "legalName": "globex"}, []),
        ({"alias": gone, "includeArchived": "false"}, []),
    ):
        listed = read(sequence.get("/customers", params=query), 200, Customers)
        assert [each.id for each in listed.items] == expected, query
        [page] = pages(sequence, "/customers", Customers, "after", 100, **query)
        cut = [expected[at : at + 1] for at in range(max(len(expected), 1))]
        assert (page, pages(sequence, "/customers", Customers, "after", 1, **query)) == (
            expected,
            cut,
        )


def test_an_own_id_is_an_alias_that_stays(sequence: httpx.Client, native: httpx.Client) -> None:
    native.post("/customers", json={"id": "ada"})
    new_alias(sequence, "ada", "lovelace")
    page = read(sequence.get("/customers/ada/aliases"), 200, CustomersAliases)
    assert [each.value for each in page.items] == ["lovelace", "ada"]
    path = f"/customer-aliases/{page.items[1].id}"
    for answer in (sequence.delete(path), sequence.put(path, json={"value": "countess"})):
        refusal(answer, 400, "InvalidState", "alias", "stays")
    body = CUSTOMER | {"customerAliases": []}
    after = read(sequence.put("/customers/ada", json=body), 200, Customer)
    assert after.customer_aliases == ["ada"]


BAD: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"value": ""}, ("value", "characters")),
    ({"value": "a b"}, ("value", "characters")),
    ({"value": NOBODY}, ("value",)),
    ({"value": "taken"}, ("alias", "taken")),
    ({"value": "own"}, ("alias", "own", "taken")),
    ({"value": "x", "customerId": "nobody"}, ("customerId", "none")),
    ({"value": "x", "sequenceAccountId": NOBODY}, ("sequenceAccountId", "left out")),
    ({"value": "x", "colour": "red"}, ("colour", "leave it out")),
    ({"value": 1}, ("value", "a string")),
]


@pytest.mark.parametrize(("change", "parts"), BAD)
def test_what_cannot_be_an_alias_is_refused(
    sequence: httpx.Client,
    native: httpx.Client,
    customer: str,
    change: dict[str, Any],
    parts: tuple[str, ...],
) -> None:
    native.post("/customers", json={"id": "own"})
    new_customer(sequence, customerAliases=["taken"])
    body = {"customerId": customer} | change
    refusal(sequence.post("/customer-aliases", json=body), 400, "ValidationError", *parts)
    assert values(sequence, customer) == []


def test_all_aliases_of_a_customer_are_on_one_page(
    sequence: httpx.Client, native: httpx.Client
) -> None:
    """The vendor has no pages of them, so that no client asks for a second one. The own id is the last."""
    native.post("/customers", json={"id": "ada"})
    given = [new_alias(sequence, "ada", f"a{n}").value for n in range(25)]
    assert values(sequence, "ada") == [*given[::-1], "ada"]


def test_the_same_update_at_once_is_the_same(sequence: httpx.Client, customer: str) -> None:
    """An alias that is his already is not taken."""
    path, body = f"/customers/{customer}", CUSTOMER | {"customerAliases": ["same"]}
    with ThreadPoolExecutor(6) as threads:
        asked = [threads.submit(sequence.put, path, json=body) for _ in range(6)]
        assert {each.result().status_code for each in asked} == {200}
    assert found(sequence, "same").customer_aliases == ["same"]


def test_an_alias_is_changed_and_taken_back_once_however_many_ask(
    sequence: httpx.Client, customer: str
) -> None:
    path = f"/customer-aliases/{new_alias(sequence, customer, 'one').id}"
    with ThreadPoolExecutor(6) as threads:
        changed = [
            threads.submit(sequence.put, path, json={"value": f"v{place}"}) for place in range(6)
        ]
        assert {each.result().status_code for each in changed} == {200}
        [left] = values(sequence, customer)
        assert found(sequence, left).id == customer
        gone = [threads.submit(sequence.delete, path) for _ in range(6)]
        assert sorted(each.result().status_code for each in gone) == [200] + [404] * 5
    assert values(sequence, customer) == []
    for place in range(6):
        assert new_alias(sequence, customer, f"v{place}").value == f"v{place}"


def test_an_alias_is_found_however_its_characters_are_written(
    sequence: httpx.Client, customer: str
) -> None:
    new_alias(sequence, customer, "a:b@c.d_e-F")
    new_alias(sequence, customer, "aliases")
    for text in ("a:b@c.d_e-F", "a%3Ab%40c%2Ed_e%2dF", "%61:b@c.d_e-F", "aliases"):
        answer = sequence.get(f"/customers/by-alias/{text}")
        assert read(answer, 200, CustomerByAlias).id == customer
    for text in ("a:b@c.d_e-f", "a%2Fb", "%00", "a%20b", "%E2%82%AC", "%FF", "VOID", "x" * 3_000):
        refusal(sequence.get(f"/customers/by-alias/{text}"), 404, "NotFound")


def test_nobody_is_below_himself(sequence: httpx.Client, customer: str) -> None:
    """Nor so far below others that it would take long to find that out."""
    line = [customer]
    for _ in range(LEVELS_MAX - 1):
        line.append(new_customer(sequence, parentId=line[-1]).id)
    for below in (customer, line[1], line[-1]):
        answer = sequence.put(f"/customers/{customer}", json=CUSTOMER | {"parentId": below})
        refusal(answer, 400, "ValidationError", "parentId", "not below")
    assert found(sequence, customer).parent_id is UNSET
    assert found(sequence, new_customer(sequence, parentId=line[-2]).id).parent_id == line[-2]
    answer = sequence.post("/customers", json=CUSTOMER | {"parentId": line[-1]})
    refusal(answer, 400, "ValidationError", "parentId", f"fewer than {LEVELS_MAX}")


def test_what_another_dialect_changes_of_a_customer_is_shown(
    sequence: httpx.Client, native: httpx.Client
) -> None:
    """His name, and his address, which is the first contact's; one without an address is not shown."""
    second = {"name": "Bob", "email": "bob@acme.example", "billingPreference": "NONE"}
    made = new_customer(sequence, contacts=[*CUSTOMER["contacts"], second])
    for email, shown in (
        ("ada@new.example", ["ada@new.example", "bob@acme.example"]),
        (None, ["bob@acme.example"]),
    ):
        native.patch(f"/customers/{made.id}", json={"name": "Acme plc", "email": email})
        after = found(sequence, made.id)
        assert (after.legal_name, [each.email for each in after.contacts]) == ("Acme plc", shown)
    bare = new_customer(sequence, contacts=[])
    native.patch(f"/customers/{bare.id}", json={"email": "ada@new.example"})
    [contact] = found(sequence, bare.id).contacts
    assert (contact.name, contact.email) == ("Acme Ltd", "ada@new.example")


def test_a_customer_has_room_for_a_hundred_aliases(sequence: httpx.Client) -> None:
    made = new_customer(sequence, customerAliases=[f"a{n}" for n in range(30)])
    for number in range(30, 100):
        new_alias(sequence, made.id, f"a{number}")
    body = {"customerId": made.id, "value": "one-more"}
    refusal(sequence.post("/customer-aliases", json=body), 400, "ValidationError", "at most 100")


def test_a_post_is_carried_out_once_for_its_key(sequence: httpx.Client, customer: str) -> None:
    body = {"customerId": customer, "value": "one"}
    headers = {"Idempotency-Key": "key"}
    first = sequence.post("/customer-aliases", json=body, headers=headers)
    again = sequence.post("/customer-aliases", json=body, headers=headers)
    assert (first.status_code, again.content) == (201, first.content)
    other = sequence.post("/customer-aliases", json=body | {"value": "two"}, headers=headers)
    refusal(other, 409, "IdempotencyKeyReused")


#: Each list, and its record.
LISTS: tuple[tuple[str, type[Any]], ...] = (
    ("/customers", Customers),
    ("/customer-aliases", Aliases),
)

# Pages ----------------------------------------------------------------------------------------------


def pages(
    sequence: httpx.Client, path: str, record: type[Any], way: str, limit: int, **more: str
) -> list[list[str]]:
    """The ids on each page, until there is none in that direction."""
    found, cursor = [], None
    while True:
        query = {"limit": str(limit)} | more | ({} if cursor is None else {way: cursor})
        page = read(sequence.get(path, params=query), 200, record)
        found.append([each.id for each in page.items])
        cursor = getattr(page.pagination, way)
        if cursor is UNSET:
            return found


def test_lists_are_followed_to_their_end_both_ways(sequence: httpx.Client) -> None:
    made = [new_customer(sequence, customerAliases=[f"a{n}"]).id for n in range(7)]
    for path, record in LISTS:
        [whole] = pages(sequence, path, record, "after", 100)
        assert len(whole) == 7
        for limit in (1, 2, 3, 7):
            cut = [whole[at : at + limit] for at in range(0, 7, limit)]
            assert pages(sequence, path, record, "after", limit) == cut
        last = read(sequence.get(path, params={"limit": "5"}), 200, record).pagination.after
        older = read(sequence.get(path, params={"limit": "5", "after": last}), 200, record)
        back = {"limit": "2", "before": older.pagination.before}
        page = read(sequence.get(path, params=back), 200, record)
        assert [each.id for each in page.items] == whole[3:5]
        back = {"limit": "5", "before": page.pagination.before}
        page = read(sequence.get(path, params=back), 200, record)
        assert [each.id for each in page.items] == whole[:3]
        assert page.pagination.before is UNSET
    [listed] = pages(sequence, "/customers", Customers, "after", 100)
    assert listed == made[::-1]


QUERIES: list[tuple[dict[str, str], str]] = [
    ({"limit": "0"}, "limit"),
    ({"limit": "101"}, "limit"),
    ({"limit": "many"}, "limit"),
    ({"after": "x"}, "after"),
    ({"before": "AAAA"}, "before"),
    ({"after": "A" * 22 + "==", "before": "A" * 22 + "=="}, "before"),
    ({"colour": "red"}, "colour"),
]


@pytest.mark.parametrize(("query", "field"), QUERIES)
@pytest.mark.parametrize("path", ["/customers", "/customer-aliases"])
def test_a_page_that_cannot_be_is_refused(
    sequence: httpx.Client, path: str, query: dict[str, str], field: str
) -> None:
    refusal(sequence.get(path, params=query), 400, "ValidationError", field)


def test_nothing_of_another_account_is_found(sequence: httpx.Client, other: httpx.Client) -> None:
    made = new_customer(sequence, customerAliases=["acme"])
    alias = read(sequence.get("/customer-aliases"), 200, Aliases).items[0]
    for path in (f"/customers/{made.id}", "/customers/acme", f"/customers/{made.id}/aliases"):
        refusal(other.get(path), 404, "NotFound")
    refusal(other.delete(f"/customer-aliases/{alias.id}"), 404, "NotFound")
    assert new_customer(other, customerAliases=["acme"]).customer_aliases == ["acme"]
    for path, record in LISTS:
        assert len(read(other.get(path), 200, record).items) == 1
