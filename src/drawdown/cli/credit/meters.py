"""`drawdown meters` and `drawdown rates`: what usage events are counted by, and what that costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import typer
from rich.table import Table

from drawdown.cli.client import asking
from drawdown.cli.credit import present, words
from drawdown.cli.options import URL_DEFAULT, Json, Key, Url

if TYPE_CHECKING:
    from drawdown.client import Meter, Rate, RateAttachment

meters = typer.Typer(
    no_args_is_help=True, help="Meters: which usage events count, and how they become one number."
)
rates = typer.Typer(
    no_args_is_help=True, help="Rates: what a meter's number costs, in credit of an entitlement."
)

Aggregation = Literal["count", "sum", "max", "last", "unique"]
Unit = Literal["day", "week", "month", "year", "cycle", "forever"]

OfRate = Annotated[str, typer.Argument(metavar="RATE", help="Its id (rate_…).")]
OfMeter = Annotated[str, typer.Argument(metavar="METER", help="Its code, or its id.")]


@meters.command("create")
def create_meter(
    code: Annotated[str, typer.Argument(metavar="CODE", help="By which you name it.")],
    event_name: Annotated[str, typer.Argument(metavar="EVENT", help="The events' name.")],
    aggregation: Annotated[
        Aggregation, typer.Option("--count-by", help="What of the events is the number.")
    ] = "count",
    of_property: Annotated[
        str | None, typer.Option("--property", help="Of which property; of all but count.")
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(
            "--filter", metavar="JSON", help='Which events count: {"property", "op", "value"}.'
        ),
    ] = None,
    group_by: Annotated[
        list[str] | None,
        typer.Option(metavar="PROPERTY", help="Counted apart for each of its values; repeatable."),
    ] = None,
    ignore_case: Annotated[bool, typer.Option("--ignore-case", help="In the filter.")] = False,
    on_invoice: Annotated[
        bool, typer.Option("--on-invoice", help="Count only: nothing is debited as it arrives.")
    ] = False,
    name: Annotated[str | None, typer.Option(help="What it is called.")] = None,
    idempotency_key: words.IdempotencyKey = None,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Make a meter. What it counts never changes; close it and make another to count otherwise.

    Example: `drawdown meters create tokens llm.call --count-by sum --property tokens`
    """
    chosen = _document(only, "--filter")
    with asking(url, key) as client:
        made = client.create_meter(
            code,
            event_name=event_name,
            aggregation=aggregation,
            property=of_property,
            filter=chosen,
            group_by=group_by or (),
            case_sensitive=not ignore_case,
            debits="on_invoice" if on_invoice else None,
            name=name,
            idempotency_key=idempotency_key,
        )
    present.answer(made, as_json, lambda meter: [_facts_of_meter(meter)])


@meters.command("list")
def list_meters(url: Url = URL_DEFAULT, key: Key = None, as_json: Json = False) -> None:
    """List meters, newest first.

    Example: `drawdown meters list`
    """
    with asking(url, key) as client:
        present.rows(client.meters(), None, as_json, _meters)


@meters.command("show")
def show_meter(
    meter: OfMeter, url: Url = URL_DEFAULT, key: Key = None, as_json: Json = False
) -> None:
    """Show a meter.

    Example: `drawdown meters show tokens`
    """
    with asking(url, key) as client:
        found = client.get_meter(meter)
    present.answer(found, as_json, lambda meter: [_facts_of_meter(meter)])


@meters.command("amend")
def amend_meter(
    meter: OfMeter,
    name: Annotated[str | None, typer.Option(help="What it is called.")] = None,
    idempotency_key: words.IdempotencyKey = None,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Call a meter otherwise. What it counts never changes.

    Example: `drawdown meters amend tokens --name "Tokens of all models"`
    """
    with asking(url, key) as client:
        amended = client.amend_meter(meter, name=name, idempotency_key=idempotency_key)
    present.answer(amended, as_json, lambda meter: [_facts_of_meter(meter)])


@meters.command("close")
def close_meter(
    meter: OfMeter, url: Url = URL_DEFAULT, key: Key = None, as_json: Json = False
) -> None:
    """Close a meter: it counts nothing more, and its rates charge nothing more.

    Example: `drawdown meters close tokens`
    """
    with asking(url, key) as client:
        closed = client.close_meter(meter)
    present.answer(closed, as_json, lambda meter: [_facts_of_meter(meter)])


@meters.command("reopen")
def reopen_meter(
    meter: OfMeter,
    idempotency_key: words.IdempotencyKey = None,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Undo the closing of a meter: it counts again from now on, and its rates charge again.

    Example: `drawdown meters reopen tokens`
    """
    with asking(url, key) as client:
        reopened = client.reopen_meter(meter, idempotency_key=idempotency_key)
    present.answer(reopened, as_json, lambda meter: [_facts_of_meter(meter)])


@rates.command("create")
def create_rate(
    meter: OfMeter,
    entitlement: words.Entitlement,
    per_unit: Annotated[
        str | None, typer.Option(metavar="PRICE", help="What each one costs, such as 0.003.")
    ] = None,
    per_credit: Annotated[
        str | None, typer.Option(metavar="QUANTITY", help="How many one credit buys.")
    ] = None,
    price: Annotated[
        str | None,
        typer.Option(metavar="JSON", help="Any price as in the API: tiers, packages, tables."),
    ] = None,
    free: Annotated[
        str | None, typer.Option(metavar="QUANTITY", help="How many of a period cost nothing.")
    ] = None,
    period: Annotated[
        Unit, typer.Option(help="Over what usage is summed up; cycle: of the customer's schedule.")
    ] = "month",
    zone: Annotated[str, typer.Option(help="On whose calendar, such as Europe/Berlin.")] = "UTC",
    attached: Annotated[
        bool, typer.Option("--attached", help="Only for customers that it is attached to.")
    ] = False,
    idempotency_key: words.IdempotencyKey = None,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Charge what a meter counts, from the next event on. A rate never changes.

    Examples: `drawdown rates create tokens usd --per-unit 0.000003` and
    `drawdown rates create tokens usd --per-credit 250000 --free 10000`
    """
    asked = _price(per_unit, per_credit, _document(price, "--price"))
    with asking(url, key) as client:
        made = client.create_rate(
            meter,
            entitlement,
            price=asked if free is None else {**asked, "free": free},
            period=_period_of(period, zone),
            customers="attached" if attached else None,
            idempotency_key=idempotency_key,
        )
    present.answer(made, as_json, lambda rate: [_facts_of_rate(rate)])


@rates.command("list")
def list_rates(
    customer: words.OfCustomer = None,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """List rates, newest first; with a customer those that charge him.

    Example: `drawdown rates list --customer ada`
    """
    with asking(url, key) as client:
        present.rows(client.rates(customer=customer), None, as_json, _rates)


@rates.command("show")
def show_rate(rate: OfRate, url: Url = URL_DEFAULT, key: Key = None, as_json: Json = False) -> None:
    """Show a rate.

    Example: `drawdown rates show rate_0351OzbZPZxjRmmbSq5sY2`
    """
    with asking(url, key) as client:
        found = client.get_rate(rate)
    present.answer(found, as_json, lambda rate: [_facts_of_rate(rate)])


@rates.command("attach")
def attach_rate(
    rate: OfRate,
    customer: words.Customer,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Charge a customer by a rate that is for attached ones, from now on.

    Example: `drawdown rates attach rate_0351OzbZPZxjRmmbSq5sY2 ada`
    """
    with asking(url, key) as client:
        done = client.attach_rate(rate, customer)
    present.answer(done, as_json, lambda done: [_facts_of_attachment(done)])


@rates.command("detach")
def detach_rate(
    rate: OfRate,
    customer: words.Customer,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Charge a customer by a rate no more. What it has charged stays.

    Example: `drawdown rates detach rate_0351OzbZPZxjRmmbSq5sY2 ada`
    """
    with asking(url, key) as client:
        done = client.detach_rate(rate, customer)
    present.answer(done, as_json, lambda done: [_facts_of_attachment(done)])


@rates.command("close")
def close_rate(
    rate: OfRate, url: Url = URL_DEFAULT, key: Key = None, as_json: Json = False
) -> None:
    """Close a rate, for good: it charges nothing more. What it has charged stays.

    Example: `drawdown rates close rate_0351OzbZPZxjRmmbSq5sY2`
    """
    with asking(url, key) as client:
        closed = client.close_rate(rate)
    present.answer(closed, as_json, lambda rate: [_facts_of_rate(rate)])


def _period_of(unit: Unit, zone: str) -> dict[str, Any]:
    """Where a customer has no schedule, that of a cycle is the month."""
    if unit == "cycle":
        return {"cycle": True, "zone": zone}
    return {"unit": None if unit == "forever" else unit, "zone": zone}


def _price(
    per_unit: str | None, per_credit: str | None, price: dict[str, Any] | None
) -> dict[str, Any]:
    """The one that was given."""
    given: list[dict[str, Any]] = []
    if per_unit is not None:
        given.append({"model": "per_unit", "price": per_unit})
    if per_credit is not None:
        given.append({"model": "per_credit", "units_per_credit": per_credit})
    if price is not None:
        given.append(price)
    if len(given) != 1:
        raise typer.BadParameter(
            "give one of --per-unit, --per-credit and --price.", param_hint="the price"
        )
    return given[0]


def _document(text: str | None, option: str) -> dict[str, Any] | None:
    """A JSON object as it is written: what is in it the server reads."""
    if text is None:
        return None
    try:
        found = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except msgspec.MsgspecError as error:
        raise typer.BadParameter(f"no JSON object: {error}.", param_hint=option) from None
    return dict(found)


def _facts_of_meter(meter: Meter) -> Table:
    return present.facts(
        {
            "Meter": meter.code,
            "Id": meter.id,
            "Name": meter.name,
            "Events": meter.event_name,
            "Counted by": _counted(meter),
            "Filter": None if meter.filter is None else _json(meter.filter),
            "Apart for each": ", ".join(meter.group_by) or None,
            "Debits": meter.debits,
            "Created": meter.created_at,
            "Closed": meter.closed_at,
        }
    )


def _facts_of_rate(rate: Rate) -> Table:
    return present.facts(
        {
            "Rate": rate.id,
            "Meter": rate.meter,
            "Entitlement": rate.entitlement,
            "Price": _json(rate.price),
            "Period": _period(rate),
            "Customers": rate.customers,
            "Created": rate.created_at,
            "Closed": rate.closed_at,
        }
    )


def _facts_of_attachment(done: RateAttachment) -> Table:
    attached = "yes" if done.attached else "no"
    return present.facts({"Rate": done.rate, "Customer": done.customer, "Attached": attached})


def _meters(found: list[Meter]) -> Table:
    return present.table(
        ("Meter", "Events", "Counted by", "Debits", "Created (UTC)", "Closed (UTC)"),
        (
            (
                each.code,
                each.event_name,
                _counted(each),
                each.debits,
                each.created_at,
                each.closed_at,
            )
            for each in found
        ),
    )


def _rates(found: list[Rate]) -> Table:
    return present.table(
        ("Rate", "Meter", "Entitlement", "Price", "Period", "Closed (UTC)"),
        (
            (
                each.id,
                each.meter,
                each.entitlement,
                _json(each.price),
                _period(each),
                each.closed_at,
            )
            for each in found
        ),
    )


def _counted(meter: Meter) -> str:
    return (
        meter.aggregation if meter.property is None else f"{meter.aggregation} of {meter.property}"
    )


def _period(rate: Rate) -> str:
    if rate.period.cycle:
        return "cycle"
    return "forever" if rate.period.unit is None else f"{rate.period.unit}, {rate.period.zone}"


def _json(value: object) -> str:
    return present.printable(msgspec.json.encode(value).decode())
