"""Ids of requests."""

from __future__ import annotations

import re
import subprocess
import sys

from drawdown.web.request_ids import new_request_id

FORKED = """
import os
from drawdown.web.request_ids import new_request_id
new_request_id()
child = os.fork()
print(new_request_id(), flush=True)
if child:
    os.waitpid(child, 0)
"""


def test_no_two_are_the_same() -> None:
    ids = [new_request_id() for _ in range(5_000)]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"req_[0-9a-f]{24}", each) for each in ids)


def test_processes_of_one_parent_have_none_in_common() -> None:
    said = subprocess.run(
        [sys.executable, "-c", FORKED], capture_output=True, text=True, timeout=30, check=True
    ).stdout
    ids = re.findall(r"req_[0-9a-f]{24}", said)
    assert len(ids) == len(set(ids)) == 2
