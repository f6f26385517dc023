"""Where events may go: nowhere but to public addresses, whatever a URL or a name says."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from drawdown.webhooks.addresses import (
    AddressRefused,
    check_addresses,
    check_url,
    is_public,
    resolve,
)

INSIDE = [
    "127.0.0.1", "127.8.8.8", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "0.0.0.0",
    "169.254.169.254", "100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "239.1.1.1", "240.0.0.1",
    "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1",
    "::ffff:8.8.8.8", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::7f00:1", "64:ff9b::7f00:1",
    "64:ff9b::a00:1", "2002:7f00:1::", "2002:a9fe:a9fe::",
]  # fmt: skip
OUTSIDE = [
    "8.8.8.8",
    "1.1.1.1",
    "93.184.216.34",
    "2606:4700:4700::1111",
    "2a00:1450:4001:81b::200e",
]


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_inside_is_not_public_however_it_is_written(address: str) -> None:
    assert not is_public(ip_address(address))
    with pytest.raises(AddressRefused):
        check_addresses([address], allow_private=False)
    assert check_addresses([address], allow_private=True) == [address]


@pytest.mark.parametrize("address", OUTSIDE)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert check_addresses([address], allow_private=False) == [address]


def test_a_name_that_also_leads_inside_is_not_trusted() -> None:
    with pytest.raises(AddressRefused):
        check_addresses(["8.8.8.8", "10.0.0.1"], allow_private=False)
    with pytest.raises(AddressRefused):
        check_addresses([], allow_private=False)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/hooks",
        "https://example.com:8443/a?b=c",
        "https://example.com:443",
        "https://8.8.8.8/hooks",
        "https://[2606:4700:4700::1111]/hooks",
    ],
)
def test_a_public_url_is_taken(url: str) -> None:
    assert check_url(url, allow_private=False).hostname


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("http://example.com/hooks", "https://"),
        ("ftp://example.com/hooks", "https://"),
        ("file:///etc/passwd", "https://"),
        ("https:///hooks", "https://"),
        ("example.com/hooks", "https://"),
        ("https://user:secret@example.com/", "without a user"),
        ("https://example.com/#part", "fragment"),
        ("https://example.com:22/", "port"),
        ("https://example.com:25/", "port"),
        ("https://example.com:99999/", "such as"),
        ("https://127.0.0.1/", "public"),
        ("https://[::1]/", "public"),
        ("https://[::ffff:127.0.0.1]/", "public"),
        ("https://169.254.169.254/latest/meta-data", "public"),
        ("https://exa mple.com/", "characters"),
        ("https://example.com/\r\nx: y", "characters"),
        ("https://exämple.com/", "characters"),
        ("https://example.com/" + "x" * 2_048, "2,048"),
        ("", "characters"),
    ],
)
def test_a_url_that_leads_inside_or_to_another_service_is_refused(url: str, rule: str) -> None:
    with pytest.raises(AddressRefused, match=rule):
        check_url(url, allow_private=False)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000/", "https://[::1]:8/", "http://service/x"])
def test_a_private_url_is_taken_where_that_is_allowed(url: str) -> None:
    assert check_url(url, allow_private=True)


@pytest.mark.anyio
async def test_the_systems_resolver_answers_addresses() -> None:
    assert "127.0.0.1" in await resolve("127.0.0.1", 80)
