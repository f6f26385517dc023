"""Which metrics a list has, by the vendor's filters."""

from __future__ import annotations

from urllib.parse import unquote

from drawdown.core.usage import properties
from drawdown.dialects.sequence.answering import optional_text
from drawdown.dialects.sequence.usage import wire
from drawdown.dialects.sequence.usage.measures import event_type
from drawdown.dialects.sequence.usage.wire import AggregationType
from drawdown.web.errors import BadRequest


class Choice:
    """What is asked for. Raises ``BadRequest`` for what no metric can have."""

    def __init__(self, query: wire.MetricsQuery) -> None:
        self._name = (optional_text(query.name, "name") or "").casefold()
        self._id = (optional_text(query.id, "id") or "").casefold()
        self._event_types = [event_type(each) for each in _several(query.event_type)]
        self._properties = _several(query.event_property)
        if not all(map(properties.is_name, self._properties)):
            raise BadRequest("eventProperty", properties.NAME_RULE)
        self._aggregations = _several(query.aggregation_type)
        if not set(self._aggregations) <= {*AggregationType}:
            raise BadRequest("aggregationType", f"of {', '.join(AggregationType)}")

    @property
    def is_one(self) -> bool:
        """Whether anything is asked for."""
        asked = self._name, self._id, self._event_types, self._properties, self._aggregations
        return any(asked)

    def admits(self, metric: wire.Metric) -> bool:
        return (
            self._name in metric.name.casefold()
            and self._id in metric.id
            and _is_among(metric.event_type, self._event_types)
            and _is_among(metric.aggregation_property, self._properties)
            and _is_among(metric.aggregation_type.value, self._aggregations)
        )


def _several(text: str | None) -> list[str]:
    """With commas between them; one within a value is percent-encoded once more."""
    return [] if text is None else [unquote(each) for each in text.split(",")]


def _is_among(value: str | None, asked: list[str]) -> bool:
    return not asked or value in asked
