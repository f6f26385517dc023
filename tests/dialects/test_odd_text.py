"""What some database does not keep, in every address of every dialect: it is refused, or nothing has it."""

from __future__ import annotations

import re

import msgspec
import pytest

from drawdown.app import BUILDERS
from drawdown.config import Config
from drawdown.web.endpoints import Dialect
from tests.support.server import Tenant

#: PostgreSQL keeps no NUL in text.
ODD = ("%00", "a%00b")
DIALECTS = [build(Config()) for build in BUILDERS]


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_it_is_no_mistake_of_ours(dialect: Dialect, tenant: Tenant) -> None:
    """As an id in a path, and as each parameter of a query."""
    with tenant.client(tenant.test.admin, base=dialect.bases[0]) as http:
        for row in dialect.endpoints:
            if row.stream is not None:
                continue
            known = msgspec.structs.fields(row.query) if row.query is not None else ()
            for text in ODD:
                targets = [f"{row.path}?{field.encode_name}={text}" for field in known]
                for target in [row.path, *targets]:
                    path = re.sub(r"{\w+}", text, target)
                    answer = http.request(row.method, path)
                    assert answer.status_code < 500, (row.method, path)
