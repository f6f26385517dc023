"""``docs/dialects/native.md``: its tables say what the code does. Its examples run in ``tests/docs``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import get_args

import pytest
from msgspec import Struct
from msgspec.structs import FieldInfo, fields

from drawdown.config import Config
from drawdown.core.instants import FORESIGHT_MAX
from drawdown.core.several import WALLETS_MAX
from drawdown.core.types import DAY, GRANTS_OPEN_MAX, HOLD_MAX, HOLDS_OPEN_MAX
from drawdown.dialects.native import (
    asked,
    errors,
    scalars,
    wire,
    wire_alerts,
    wire_schedules,
    wire_top_ups,
    wire_usage,
)
from drawdown.dialects.native.asked_usage import RatePrice, Table
from drawdown.web.endpoints import Endpoint
from drawdown.web.protocol import HEAD_BYTES_MAX
from tests.dialects.native.support import ENDPOINTS

PAGE = (Path(__file__).parents[3] / "docs" / "dialects" / "native.md").read_text("utf-8")
BY_NAME = {f"{each.method} {each.path}": each for each in ENDPOINTS}
#: Records that are answered, by the heading under which their fields are.
SHOWN: dict[str, type[Struct]] = {
    "Customer": wire.Customer,
    "Test clock": wire.Clock,
    "Entitlement": wire.Entitlement,
    "Grant": wire.Grant,
    "Adjustment": wire.Adjustment,
    "Hold": wire.Hold,
    "Schedule": wire_schedules.Schedule,
    "Alert": wire_alerts.Alert,
    "Top-up": wire_top_ups.TopUp,
    "Top-up request": wire_top_ups.TopUpRequest,
    "Debit": wire.Debit,
    "Spend": wire.Spend,
    "Meter": wire_usage.Meter,
    "Rate": wire_usage.Rate,
    "Usage event": wire_usage.UsageEvent,
    "Reversal": wire.Reversal,
    "Overage reset": wire.OverageReset,
    "Balance": wire.Balance,
    "Segment": wire.Segment,
    "Explanation": wire.Explanation,
    "ExplainedDraw": wire.ExplainedDraw,
    "LaterGrant": wire.LaterGrant,
    "IneligibleGrant": wire.IneligibleGrant,
    "Entry": wire.Entry,
    "Key": wire.Key,
}
#: Calls that take what another takes are told of there, and those that only page by the conventions.
ELSEWHERE = {
    "POST /grants/{grant}/void",
    "POST /schedules/{schedule}/resume",
    "POST /rates/{rate}/detach",
    "GET /customers",
    "GET /entitlements",
    "GET /test-clocks",
}


def section(heading: str) -> str:
    """What stands below a heading, up to the next one."""
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None, heading
    return found[1]


def listed(heading: str) -> list[str]:
    """The fields of a section's table, in their order; those that must be given are marked.

    A row may be of several, with commas between them.
    """
    field = r"`\w+`(?:, required)?"
    rows = re.findall(rf"^\| ({field}(?:, {field})*) \|", section(heading), re.MULTILINE)
    return [each for row in rows for each in re.findall(field, row)]


def marked(of: Iterable[FieldInfo]) -> list[str]:
    return [f"`{each.encode_name}`{', required' if each.required else ''}" for each in of]


def taken(endpoint: Endpoint) -> type[Struct] | None:
    return endpoint.body or endpoint.query


def test_the_page_lists_every_endpoint_with_its_status_and_role_and_nothing_else() -> None:
    rows = re.findall(r"^\| `([A-Z]+ /\S*)` \| (\d+) \| (\w+) \|", PAGE, re.MULTILINE)
    assert len(rows) == len(set(rows))
    assert set(rows) == {
        (name, str(each.status), each.role.value) for name, each in BY_NAME.items()
    }


@pytest.mark.parametrize(
    "name", [name for name, each in BY_NAME.items() if taken(each) and name not in ELSEWHERE]
)
def test_every_field_that_an_endpoint_takes_is_on_the_page(name: str) -> None:
    record = taken(BY_NAME[name])
    assert record is not None
    assert sorted(listed(f"`{name}`")) == sorted(marked(fields(record)))


@pytest.mark.parametrize(("heading", "record"), SHOWN.items(), ids=SHOWN)
def test_every_field_that_is_answered_is_on_the_page(heading: str, record: type[Struct]) -> None:
    assert listed(heading) == [f"`{each.encode_name}`" for each in fields(record)]


def test_every_field_of_a_rule_for_overage_is_on_the_page() -> None:
    assert listed("The rule for overage") == marked(fields(asked.OverageRequest))


def test_every_model_of_a_price_is_on_the_page() -> None:
    models = {each.__struct_config__.tag for each in (*get_args(RatePrice), Table)}
    assert set(listed("Prices")) == {f"`{model}`" for model in models}


def test_the_page_lists_every_code_of_an_error_with_its_status() -> None:
    refused = {error for endpoint in ENDPOINTS for error in endpoint.errors}
    codes = {
        (str(status), error.code) for error, (status, _) in errors.TABLE.items() if error in refused
    }
    codes |= {(str(error.status), error.code) for error in errors.TITLES}
    rows = re.findall(r"^\| (\d{3}) \| `(\w+)` \|", PAGE, re.MULTILINE)
    assert len(rows) == len(set(rows))
    assert set(rows) == codes


def test_the_limits_on_the_page_are_those_of_the_code() -> None:
    limits = dict(re.findall(r"^\| (.+) \| (.+) \|$", section("Limits"), re.MULTILINE))
    assert limits["body"].startswith(f"{Config().body_bytes_max >> 20} MiB")
    assert limits["request line and headers"] == f"{HEAD_BYTES_MAX >> 10} KiB"
    assert limits["debits in a batch"] == f"{scalars.BATCH_MAX:,}"
    assert limits["records on a page"] == str(scalars.PAGE_MAX)
    assert limits["segments on a page"] == f"{scalars.SEGMENTS_MAX:,}"
    assert limits["an instant in the future"] == f"{FORESIGHT_MAX // (365 * DAY)} years ahead"
    assert (
        f"| `limit` | 1 to {scalars.SEGMENTS_MAX:,}, default {scalars.SEGMENTS_DEFAULT} |" in PAGE
    )
    assert limits["open grants in a wallet"] == f"{GRANTS_OPEN_MAX:,}"
    assert limits["open holds in a wallet"] == f"{HOLDS_OPEN_MAX:,}"
    assert limits["life of a hold"] == f"{HOLD_MAX * 24 // DAY} hours"
    assert limits["wallets of a spend"] == str(WALLETS_MAX)
    assert limits["scope"] == (
        f"{scalars.SCOPE_MAX} attributes with {scalars.SCOPE_VALUES_MAX} values of "
        f"1 to {scalars.SCOPE_TEXT_MAX} characters each"
    )
    assert f"`limit` (1 to {scalars.PAGE_MAX}, default {scalars.PAGE_DEFAULT})" in PAGE
