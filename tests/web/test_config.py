"""Settings are read once, from variables, with options above them."""

from __future__ import annotations

import pytest

from drawdown.config import CLIENT_VARIABLES, Config, ConfigError, read_config, unknown_variables


def test_without_variables_everything_has_its_default() -> None:
    assert read_config({"PATH": "/bin"}) == Config()
    assert Config().host == "127.0.0.1"


def test_variables_are_read_as_what_they_are() -> None:
    found = read_config(
        {
            "DRAWDOWN_PORT": "0",
            "DRAWDOWN_ACCESS_LOG": "0",
            "DRAWDOWN_DODO_PAGE_BASE": "1",
            "DRAWDOWN_LOG_FORMAT": "json",
            "DRAWDOWN_CLAIMS_KEPT_DAYS": "7",
        }
    )
    assert found == Config(
        port=0, access_log=False, dodo_page_base=1, log_format="json", claims_kept_days=7
    )


def test_an_option_stands_above_its_variable_unless_it_was_not_given() -> None:
    environment = {"DRAWDOWN_PORT": "9000", "DRAWDOWN_HOST": "0.0.0.0"}
    found = read_config(environment, port=9001, host=None)
    assert (found.port, found.host) == (9001, "0.0.0.0")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DRAWDOWN_PORT", "65536"),
        ("DRAWDOWN_PORT", "http"),
        ("DRAWDOWN_ACCESS_LOG", "perhaps"),
        ("DRAWDOWN_BODY_BYTES_MAX", "0"),
        ("DRAWDOWN_CLAIMS_KEPT_DAYS", "0"),
        ("DRAWDOWN_DODO_PAGE_BASE", "2"),
        ("DRAWDOWN_RATE_LIMIT_PER_SECOND", "-1"),
        ("DRAWDOWN_RATE_LIMIT_UNAUTHENTICATED_PER_MINUTE", "1.5"),
        ("DRAWDOWN_LOG_LEVEL", "loud"),
        ("DRAWDOWN_DATABASE", ""),
    ],
)
def test_a_wrong_setting_is_refused_by_name_and_value(name: str, value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_config({name: value})
    assert name in str(caught.value)
    assert repr(value) in str(caught.value)


def test_misspelt_variables_are_found() -> None:
    environment = {"DRAWDOWN_PROT": "1", "DRAWDOWN_PORT": "1", "HOME": "/", "DRAWDOWN_A": ""}
    assert unknown_variables(environment) == ["DRAWDOWN_A", "DRAWDOWN_PROT"]


def test_what_a_client_has_in_its_shell_is_not_misspelt() -> None:
    assert not unknown_variables(dict.fromkeys(CLIENT_VARIABLES, ""))
    assert {"DRAWDOWN_URL", "DRAWDOWN_API_KEY", "DRAWDOWN_KEY_ID"} == CLIENT_VARIABLES
