"""Signatures are what the library of Standard Webhooks accepts, and nothing else."""

from __future__ import annotations

import time

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from drawdown.webhooks.signing import is_secret, new_secret, standard_headers

BODY = '{"type":"debit.created","data":{"name":"Zoë"}}'.encode()


def test_the_library_verifies_what_is_signed() -> None:
    secret = new_secret()
    headers = standard_headers("evt_1", int(time.time()), BODY, [secret])
    assert Webhook(secret).verify(BODY, headers) == {
        "type": "debit.created",
        "data": {"name": "Zoë"},
    }


def test_another_body_id_time_or_secret_is_not_verified() -> None:
    secret, seconds = new_secret(), int(time.time())
    headers = standard_headers("evt_1", seconds, BODY, [secret])
    for body, changed, key in (
        (BODY + b" ", {}, secret),
        (BODY, {"webhook-id": "evt_2"}, secret),
        (BODY, {"webhook-timestamp": str(seconds - 1)}, secret),
        (BODY, {}, new_secret()),
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(key).verify(body, headers | changed)


def test_while_a_secret_is_replaced_each_of_the_two_verifies() -> None:
    old, new = new_secret(), new_secret()
    headers = standard_headers("evt_1", int(time.time()), BODY, [new, old])
    assert len(headers["webhook-signature"].split(" ")) == 2
    assert Webhook(old).verify(BODY, headers) == Webhook(new).verify(BODY, headers)


def test_a_secret_has_the_schemes_form_and_no_two_are_the_same() -> None:
    made = {new_secret() for _ in range(100)}
    assert len(made) == 100
    assert all(map(is_secret, made))
    for text in ("whsec_", "whsec_AAAA", "whsec_" + "A" * 88 + "!", made.pop()[6:]):
        assert not is_secret(text)
