"""Forecasts and dry runs over HTTP: what they say, what they refuse, and that nothing is written by them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from typing import Any

import apsw
import asyncpg
import httpx
import pytest

from drawdown.core.times import text_of
from drawdown.core.types import DAY, Instant
from drawdown.opening import is_postgres, sqlite_path
from tests.dialects.native.support import Json, created, ok, problem
from tests.support.clocked_server import ClockedServer, clocked_server
from tests.support.postgres import Clusters
from tests.support.scenarios import START
from tests.support.stores import DATABASES, Database, new_database

HOUR = DAY // 24
_numbers = itertools.count(1)


@pytest.fixture(scope="module", params=DATABASES)
def database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, clusters: Clusters
) -> Iterator[Database]:
    folder = tmp_path_factory.mktemp("ahead")
    with new_database(request.param, folder, clusters) as found:
        yield found


@pytest.fixture(scope="module")
def clocked(database: Database) -> Iterator[ClockedServer]:
    with clocked_server(database.url, START) as server:
        yield server


class Asking:
    """A kind of credit of its own, and short ways to ask for things on some day."""

    def __init__(self, server: ClockedServer, client: httpx.Client) -> None:
        self.number = next(_numbers)
        self.code = f"credits-{self.number}"
        self._server, self._client = server, client
        self._keys = itertools.count()
        self.on(0)

    def on(self, day: float) -> str:
        """Let it be so many days after the start."""
        self._server.clock.instant = Instant(START + round(day * DAY))
        return text_of(self._server.clock.instant)

    def kind(self, **more: Any) -> str:
        body = {"code": self.code, "unit": "credit", "scale": 2, **more}
        self.write("/entitlements", **body)
        return self.code

    def customer(self, name: str = "ada") -> str:
        own_id = f"{name}-{self.number}"
        self.write("/customers", id=own_id)
        return own_id

    def write(self, path: str, **body: Any) -> Json:
        key = f"{self.number}-{next(self._keys)}"
        return created(self._client.post(path, json=body | {"idempotency_key": key}))

    def grant(self, customer: str, amount: str, **more: Any) -> str:
        body = {"customer": customer, "entitlement": self.code, "amount": amount}
        grant: str = self.write("/grants", **body, **more)["id"]
        return grant

    def debit(self, customer: str, amount: str) -> str:
        body = {"customer": customer, "entitlement": self.code, "amount": amount}
        debit: str = self.write("/debits", **body)["id"]
        return debit

    def ask(self, **body: Any) -> httpx.Response:
        asked = {"entitlement": self.code, "from": text_of(START), "change": {}}
        return self._client.post("/dry-runs", json=asked | body)

    def dry_run(self, **change: Any) -> Json:
        return ok(self.ask(change=change))


@pytest.fixture
def asking(clocked: ClockedServer) -> Iterator[Asking]:
    with clocked.client() as client:
        yield Asking(clocked, client)


def contents(url: str) -> list[tuple[str, list[str]]]:
    """Every row of every table, as text: but for when keys were last used."""
    return asyncio.run(_postgres(url)) if is_postgres(url) else _sqlite(url)


def _sqlite(url: str) -> list[tuple[str, list[str]]]:
    file = apsw.Connection(str(sqlite_path(url)), flags=apsw.SQLITE_OPEN_READONLY)
    found = file.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
    names = sorted(name for (name,) in found if name != "api_key")
    rows = [(name, sorted(map(repr, file.execute(f"SELECT * FROM {name}")))) for name in names]
    file.close()
    return rows


async def _postgres(url: str) -> list[tuple[str, list[str]]]:
    connection = await asyncpg.connect(url)
    names = await connection.fetch(
        "SELECT relname FROM pg_stat_user_tables WHERE relname <> 'api_key' ORDER BY relname"
    )
    rows = []
    for (name,) in names:
        found = await connection.fetch(f'SELECT t::text FROM "{name}" t')
        rows.append((name, sorted(text for (text,) in found)))
    await connection.close()
    return rows


def drawn(figures: Json) -> dict[str, tuple[str, list[Json], str]]:
    found = figures["categories"]
    return {each["category"]: (each["drawn"], each["cost"], each["without_cost"]) for each in found}


def test_another_order_draws_other_grants_and_says_what_they_cost(asking: Asking) -> None:
    asking.kind()
    ada = asking.customer()
    paid = asking.grant(ada, "100", cost_basis={"amount": "25", "currency": "usd"})
    asking.on(1)
    gift = asking.grant(ada, "10", category="promotional", expires_at=asking_day(20))
    asking.on(2)
    debit = asking.debit(ada, "12")
    asking.on(3)
    found = asking.dry_run(burn_order="oldest_first")
    nothing: list[Json] = []
    paid_for = [{"amount": "0.5", "currency": "usd"}]
    assert drawn(found["before"]) == {
        "paid": ("2", paid_for, "0"),
        "promotional": ("10", nothing, "0"),
    }
    assert drawn(found["after"]) == {"paid": ("12", [{"amount": "3", "currency": "usd"}], "0")}
    assert (found["before"]["available"], found["after"]["available"]) == ("98", "98")
    [one] = found["data"]
    assert (one["customer"], one["different"]) == (ada, 1)
    [difference] = one["differences"]
    assert difference["operation"].removeprefix("op_") == debit.removeprefix("deb_")
    assert (difference["cause"], difference["at"]) == ("order", text_of(START + 2 * DAY))
    assert difference["because"] == (
        "Another grant would have been drawn first: its effective_at places it there."
    )
    assert difference["before"]["drawn"] == [
        {"grant": gift, "amount": "10"},
        {"grant": paid, "amount": "2"},
    ]
    assert difference["after"]["drawn"] == [{"grant": paid, "amount": "12"}]


def asking_day(day: float) -> str:
    return text_of(START + round(day * DAY))


def test_another_expiry_is_told_with_what_it_would_have_refused(asking: Asking) -> None:
    asking.kind()
    ada = asking.customer()
    asking.grant(ada, "100")
    asking.on(6)
    asking.debit(ada, "40")
    asking.on(8)
    asking.debit(ada, "30")
    asking.on(9)
    found = asking.dry_run(expires_after_days=7)
    before, after = found["before"], found["after"]
    assert (before["drawn"], before["expired"], before["shortfall"]) == ("70", "0", "0")
    assert (after["drawn"], after["expired"], after["shortfall"]) == ("40", "60", "30")
    differences = found["data"][0]["differences"]
    assert [each["cause"] for each in differences] == ["time", "refused"]
    assert differences[0]["because"].startswith("60 of the grant would have expired and 0 rolled")
    assert differences[1]["because"] == "It would have been refused: insufficient_credit."
    assert differences[1]["after"]["uncovered"] == "30"


def test_another_rate_changes_what_events_cost(asking: Asking) -> None:
    code = asking.kind(shortfall="cap")
    meter = f"calls-{asking.number}"
    asking.write("/meters", code=meter, event_name=meter, aggregation="sum", property="n")
    price = {"model": "per_unit", "price": "0.5"}
    asking.write("/rates", meter=meter, entitlement=code, price=price)
    ada = asking.customer()
    asking.grant(ada, "10")
    for number, count in enumerate((4, 6, 8)):
        asking.on(number + 1)
        event = {"id": f"{meter}-{number}", "name": meter, "properties": {"n": count}}
        created(asking._client.post("/events", json=event | {"customer": ada}))
    asking.on(5)
    dear = {"model": "per_unit", "price": "0.75"}
    found = asking.dry_run(rates=[{"meter": meter, "price": dear}])
    assert (found["before"]["drawn"], found["before"]["shortfall"]) == ("9", "0")
    assert (found["after"]["drawn"], found["after"]["shortfall"]) == ("10", "3.5")
    sentences = [each["because"] for each in found["data"][0]["differences"]]
    assert sentences == [
        "It would have cost 3 rather than 2.",
        "It would have cost 4.5 rather than 3.",
        "It would have cost 6 rather than 4.",
    ]
    body = {"from": asking_day(2.5), "change": {"rates": [{"meter": meter, "price": dear}]}}
    late = ok(asking.ask(**body))
    assert (late["before"]["drawn"], late["after"]["drawn"]) == ("4", "5")
    assert late["after"]["shortfall"] == "1"
    free = asking.dry_run(rates=[])
    assert (free["after"]["drawn"], free["after"]["available"]) == ("0", "10")


def test_another_rollover_and_overage_are_told(asking: Asking) -> None:
    code = asking.kind()
    ada = asking.customer()
    every = {"unit": "day", "count": 7}
    asking.write("/schedules", customer=ada, entitlement=code, amount="70", every=every)
    asking.on(6)
    asking.debit(ada, "50")
    asking.on(8)
    asking.debit(ada, "70")
    asking.on(9)
    found = asking.dry_run(rollover={"percentage": 50})
    assert (found["before"]["expired"], found["before"]["rolled_over"]) == ("20", "0")
    assert (found["after"]["expired"], found["after"]["rolled_over"]) == ("10", "10")
    assert found["after"]["available"] == "10"
    over = asking.dry_run(overage={"mode": "limited", "limit": "5"})
    assert over["before"] == over["after"]


def test_without_a_change_nothing_differs(asking: Asking) -> None:
    asking.kind()
    ada, bob = asking.customer(), asking.customer("bob")
    for owner in (ada, bob):
        asking.grant(owner, "100", expires_at=asking_day(3))
        asking.on(1)
        asking.debit(owner, "40")
        asking.on(0.5)
    asking.on(4)
    found = asking.dry_run()
    assert found["before"] == found["after"]
    assert found["before"]["drawn"] == "80"
    assert found["before"]["expired"] == "120"
    assert {each["customer"] for each in found["data"]} == {ada, bob}
    assert not any(each["different"] for each in found["data"])


def test_customers_come_page_by_page(asking: Asking) -> None:
    asking.kind()
    owners = {asking.customer(name) for name in ("ada", "bob", "eve")}
    for owner in owners:
        asking.grant(owner, "10")
        asking.debit(owner, "1")
    asking.on(1)
    seen: list[str] = []
    after: str | None = None
    while True:
        page = ok(asking.ask(limit=2, **({} if after is None else {"after": after})))
        seen += [each["customer"] for each in page["data"]]
        after = page["next"]
        if after is None:
            break
    assert len(seen) == len(set(seen)), "nobody comes twice"
    assert set(seen) == owners
    [one] = ok(asking.ask(customer=sorted(owners)[0]))["data"]
    assert one["customer"] == sorted(owners)[0]


def test_nothing_is_written(asking: Asking, database: Database) -> None:
    """Not what is due either: it is played on copies."""
    asking.kind(overage={"mode": "unlimited"})
    ada = asking.customer()
    asking.grant(ada, "50", expires_at=asking_day(2))
    asking.grant(ada, "50", effective_at=asking_day(3))
    asking.debit(ada, "20")
    asking.on(10)
    before = contents(database.url)
    found = ok(asking._client.get(f"/balances/{ada}/{asking.code}/forecast", params={"days": 90}))
    assert len(found["points"]) == 91
    change = {"expires_after_days": 1, "burn_order": "oldest_first", "rollover": None}
    assert asking.dry_run(**change)["data"]
    assert contents(database.url) == before


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"from": "yesterday"}, "from"),
        ({"from": asking_day(5), "to": asking_day(5)}, "from"),
        ({"change": {"burn_order": "newest_first"}}, "change.burn_order"),
        ({"change": {"overage": {"mode": "limited"}}}, "change.overage.limit"),
        ({"change": {"rollover": {"minimum": "2", "maximum": "1"}}}, "change.rollover.minimum"),
        ({"change": {"expires_after_days": 0}}, "change.expires_after_days"),
        ({"change": {"colour": "red"}}, "change.colour"),
        ({"limit": 1_001}, "limit"),
        ({"after": "nowhere"}, "after"),
    ],
)
def test_a_question_that_cannot_be_is_refused_with_its_field(
    asking: Asking, body: Json, field: str
) -> None:
    asking.kind()
    asking.on(9)
    refused = asking.ask(**body)
    assert refused.status_code == 422, refused.text
    assert refused.json()["field"] == field, refused.text


def test_what_is_not_there_is_told(asking: Asking) -> None:
    asking.on(1)
    problem(asking.ask(), 404, "entitlement_not_found")
    asking.kind()
    problem(asking.ask(customer="nobody"), 404, "customer_not_found")
    rate = {"meter": "nothing", "price": {"model": "per_unit", "price": "1"}}
    problem(asking.ask(change={"rates": [rate]}), 404, "meter_not_found")


@pytest.mark.parametrize("query", [{"days": 0}, {"days": 367}, {"window_days": 0}, {"at": "now"}])
def test_a_forecast_that_cannot_be_is_refused_with_its_field(
    asking: Asking, query: dict[str, Any]
) -> None:
    asking.kind()
    ada = asking.customer()
    refused = asking._client.get(f"/balances/{ada}/{asking.code}/forecast", params=query)
    assert refused.status_code == 422
    assert refused.json()["field"] == next(iter(query))


def test_a_forecast_of_a_wallet_never_used_is_empty(asking: Asking) -> None:
    asking.kind()
    ada = asking.customer()
    found = ok(asking._client.get(f"/balances/{ada}/{asking.code}/forecast"))
    assert (found["available"], found["depletes_at"], found["reason"]) == ("0", None, "no_usage")
    assert found["usage"]["per_day"] == "0"
    assert {point["available"] for point in found["points"]} == {"0"}
