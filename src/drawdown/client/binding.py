"""Methods made from requests: their names, parameters and documentation are written once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

Method = TypeVar("Method", bound=Callable[..., Any])

_SELF = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)


def described(
    owner: str, method: Method, build: Callable[..., Any], answer: str, bound: int = 0
) -> Method:
    """The ``owner``'s ``method`` with the name, parameters and words of ``build``, for ``help`` and editors.

    ``answer`` is what it returns, ``{}`` standing for the record; the first ``bound`` parameters of
    ``build`` are known to the object.
    """
    signature = inspect.signature(build)
    record = str(signature.return_annotation).partition("[")[2].removesuffix("]")
    method.__name__ = build.__name__
    method.__qualname__ = f"{owner}.{build.__name__}"
    method.__doc__ = build.__doc__
    signed: Any = method
    signed.__signature__ = signature.replace(
        parameters=[_SELF, *list(signature.parameters.values())[bound:]],
        return_annotation=answer.format(record),
    )
    return method
