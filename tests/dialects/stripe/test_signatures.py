"""``Stripe-Signature``, as every SDK reads it: HMAC-SHA256 with the whole secret over ``<t>.<body>``.

The vectors were computed apart from this project and from the SDKs, each by a line of OpenSSL::

    printf '%s' '<t>.<body>' | openssl dgst -sha256 -hmac '<secret>'
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
import stripe

from drawdown.core.types import MICROSECONDS, Id, Instant
from drawdown.dialects.stripe.webhooks.events import FORMAT
from drawdown.engine.endpoints import Endpoint, Settings
from drawdown.engine.positions import Position
from drawdown.webhooks.events import Event
from tests.support.typescript import Sdk, SdkError

FIRST = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SECOND = "whsec_Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9v"
PLAIN = '{"id":"evt_1","object":"event"}'
ACCENTED = '{"id":"evt_2","object":"event","data":{"object":{"name":"Jenny Rosén ✓"}}}'
#: 2026-10-28T12:00:00Z
NOON = 1_793_188_800


class Vector(NamedTuple):
    secret: str
    body: str
    second: int
    digest: str


VECTORS = (
    Vector(FIRST, PLAIN, NOON, "f67b7e1d729eb5eb7cd47ec7496e9b6dfee9c0e058b0f58b1050700ce0e181c0"),
    Vector(FIRST, PLAIN, 1, "b376a88f29082e43b1385b145d7640a959514f30f4a2d63b95ced744b09d30f9"),
    Vector(
        FIRST, ACCENTED, NOON, "35797c7175ca23becddd2d5cbd5189d58e88c425d17f02d37a88e36d9951edf1"
    ),
    Vector(FIRST, ACCENTED, 1, "9405b9ef458c9cec24bcf2de1bffd99136f1e3beae1cf4658cf0632a6fdb575a"),
    Vector(SECOND, PLAIN, NOON, "3f39abd6b1a49c18cb6e0624fa4bd28f2b24cee3ab38a620555953d542c43c67"),
    Vector(SECOND, PLAIN, 1, "9f8140c88f5c9550ef8a10aae3026250cd20601bdb29931dc7e4204c2e0644c6"),
    Vector(
        SECOND, ACCENTED, NOON, "07178ddf250569739fd83880f6cc8ac9e22257294b3d5523fdd4487858c7c5d1"
    ),
    Vector(SECOND, ACCENTED, 1, "516883ed633ca8e5c8c8de9b0e8c3ed3a53e0f6d8b39a35dd5f083515a9f572f"),
)
each_vector = pytest.mark.parametrize("vector", VECTORS)


def signed(body: str, second: int, secret: str, previous: str | None = None) -> str:
    """The header of a delivery. ``previous``: a secret that is still valid."""
    place = Position(Instant(0), Id(bytes(16)))
    now = Instant(second * MICROSECONDS)
    endpoint = Endpoint(
        id=Id(bytes(16)),
        book=Id(bytes(16)),
        settings=Settings(url="https://hooks.example.com/", format=FORMAT.name),
        secret=secret,
        created_at=now,
        updated_at=now,
        cursor=place,
        previous_secret=previous,
        previous_until=None if previous is None else Instant(now + 1),
    )
    event = Event(position=place, ordinal=0, type="t", body=body.encode(), customer=None)
    return FORMAT.headers(endpoint, event, now)["stripe-signature"]


@each_vector
def test_a_delivery_is_signed_as_the_vectors_have_it(vector: Vector) -> None:
    header = signed(vector.body, vector.second, vector.secret)
    assert header == f"t={vector.second},v1={vector.digest}"


def test_while_two_secrets_are_valid_there_is_a_signature_of_each() -> None:
    """The newer one's first."""
    older, newer = VECTORS[0], VECTORS[4]
    header = signed(PLAIN, NOON, newer.secret, previous=older.secret)
    assert header == f"t={NOON},v1={newer.digest},v1={older.digest}"


# As the SDKs read it --------------------------------------------------------------------------------

#: The id of the event that was read, or None: it is not the sender's. With a tolerance in seconds, 0 for any.
Verify = Callable[[str, str, str, int], str | None]


@pytest.fixture(scope="module")
def node() -> Iterator[Sdk]:
    with Sdk("stripe", key="sk_test_x") as made:
        yield made


def by_python(body: str, header: str, secret: str, tolerance: int) -> str | None:
    try:
        # None is without a tolerance here, and 0 is in the other SDK.
        within: Any = tolerance or None
        event = stripe.Webhook.construct_event(body.encode(), header, secret, within)
    except stripe.SignatureVerificationError:
        return None
    found: str = event.id
    return found


@pytest.fixture(params=["python", "constructEvent", "constructEventAsync"])
def verify(request: pytest.FixtureRequest, node: Sdk) -> Verify:
    if request.param == "python":
        return by_python

    def by_node(body: str, header: str, secret: str, tolerance: int) -> str | None:
        try:
            found: str = node.call(f"webhooks.{request.param}", body, header, secret, tolerance)[
                "id"
            ]
        except SdkError as error:
            if error.name != "StripeSignatureVerificationError":
                raise
            return None
        return found

    return by_node


@each_vector
def test_the_sdks_verify_the_vectors(verify: Verify, vector: Vector) -> None:
    """And nothing else under them: not another body, time or secret, not a digest that is cut."""
    header = f"t={vector.second},v1={vector.digest}"
    read = "evt_1" if vector.body == PLAIN else "evt_2"
    assert verify(vector.body, header, vector.secret, 0) == read
    other = SECOND if vector.secret == FIRST else FIRST
    for body, wrong, secret in (
        (vector.body + " ", header, vector.secret),
        (vector.body, header, other),
        (vector.body, header, vector.secret.removeprefix("whsec_")),
        (vector.body, f"t={vector.second + 1},v1={vector.digest}", vector.secret),
        (vector.body, header[:-1], vector.secret),
        (vector.body, header.replace("v1=", "v0="), vector.secret),
    ):
        assert verify(body, wrong, secret, 0) is None


def test_either_of_two_secrets_verifies(verify: Verify) -> None:
    """Until the older one is no longer valid."""
    both = signed(PLAIN, NOON, SECOND, previous=FIRST)
    assert verify(PLAIN, both, FIRST, 0) == verify(PLAIN, both, SECOND, 0) == "evt_1"
    assert verify(PLAIN, both, FIRST + "x", 0) is None
    assert verify(PLAIN, signed(PLAIN, NOON, SECOND), FIRST, 0) is None


def test_what_was_signed_long_ago_is_refused(verify: Verify) -> None:
    """By the SDKs' own tolerance of five minutes: whoever kept a delivery cannot send it again."""
    now = int(time.time())
    assert verify(PLAIN, signed(PLAIN, now, FIRST), FIRST, 300) == "evt_1"
    assert verify(PLAIN, signed(PLAIN, now - 301, FIRST), FIRST, 300) is None
