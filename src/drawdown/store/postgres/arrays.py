"""Arrays on their way to PostgreSQL, each a whole column written at once in PostgreSQL's binary form.

The driver's own writer asks of every element whether it is an array itself, at three questions each: in a
batch that was a fifth of the process's time. Columns have one dimension, so there is nothing to ask.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from struct import Struct
from typing import Any

Encode = Callable[[Sequence[Any]], bytes]
Encoders = tuple[Callable[[Any], bytes], Encode]

_length = Struct(">i").pack
_empty = Struct(">iiI").pack
#: Dimensions, whether an element is null, the elements' type, how many there are, the first one's number.
_head = Struct(">iiIii").pack
_NULL = _length(-1)
_ID_LENGTH = _length(16)
_BOOLEANS = {False: _length(1) + b"\0", True: _length(1) + b"\1"}


def _array(element: int, encoders: Encoders) -> Encode:
    """``encoders`` write one value, and a whole column in which nothing is null."""
    one, column = encoders

    def encode(values: Sequence[Any]) -> bytes:
        if not values:
            return _empty(0, 0, element)
        if None in values:
            written = b"".join([_NULL if value is None else one(value) for value in values])
            return _head(1, 1, element, len(values), 1) + written
        return _head(1, 0, element, len(values), 1) + column(values)

    return encode


def _integers(code: str) -> Encoders:
    """A column is one call of a packer that is made for its length."""
    size = Struct(f">{code}").size

    @lru_cache(maxsize=1_024)
    def packer(count: int) -> Callable[..., bytes]:
        return Struct(">" + f"i{code}" * count).pack

    def column(values: Sequence[int]) -> bytes:
        pairs = [size] * (2 * len(values))
        pairs[1::2] = values
        return packer(len(values))(*pairs)

    return lambda value: packer(1)(size, value), column


def _ids() -> Encoders:
    def column(values: Sequence[bytes]) -> bytes:
        return _ID_LENGTH + _ID_LENGTH.join(values)

    return _ID_LENGTH.__add__, column


def _each(one: Callable[[Any], bytes]) -> Encoders:
    return one, lambda values: b"".join(map(one, values))


def _of_bytes(value: bytes) -> bytes:
    return _length(len(value)) + value


def _of_text(value: str) -> bytes:
    return _of_bytes(value.encode())


#: The numbers of PostgreSQL's own types are the same everywhere: the array's, and its elements'.
_TYPES: dict[str, tuple[int, int, Encoders]] = {
    "_bool": (1000, 16, _each(_BOOLEANS.__getitem__)),
    "_bytea": (1001, 17, _each(_of_bytes)),
    "_int4": (1007, 23, _integers("i")),
    "_int8": (1016, 20, _integers("q")),
    "_text": (1009, 25, _each(_of_text)),
    "_uuid": (2951, 2950, _ids()),
}


def write_columns_at_once(connection: Any) -> None:
    """Have a connection write arrays so. No statement answers with an array: as results they stay bytes.

    ``set_type_codec`` takes no array types; what it calls does.
    """
    settings = connection.get_settings()
    for name, (number, element, encoders) in _TYPES.items():
        settings.add_python_codec(
            number, name, "pg_catalog", [], "scalar", _array(element, encoders), bytes, "binary"
        )
