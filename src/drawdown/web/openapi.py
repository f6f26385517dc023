"""The OpenAPI 3.1 document of a dialect: written from its table, so that it cannot fall behind."""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, get_origin

import msgspec
from msgspec import inspect

from drawdown.web import errors as web
from drawdown.web.endpoints import Dialect, Endpoint, HeaderTaken

REFERENCE = "#/components/schemas/{name}"
_PARAMETER = re.compile(r"\{(\w+)\}")
_SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "The secret of an API key."},
    "basic": {"type": "http", "scheme": "basic", "description": "The same, as HTTP Basic."},
}

#: What some refusals say beside what all answers do.
_RETRY = {
    status: {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}
    for status in (web.TooManyRequests.status, web.Unavailable.status)
}

Json = dict[str, Any]


def document(dialect: Dialect) -> bytes:
    """The whole document as JSON."""
    schemas, components = _schemas(dialect)
    paths: dict[str, Json] = {}
    for endpoint in dialect.endpoints:
        operation = _operation(dialect, endpoint, schemas, components)
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = operation
    queries = {_name_of(schemas[each.query]) for each in dialect.endpoints if each.query}
    queries -= {_name_of(schemas[each.body]) for each in dialect.endpoints if each.body}
    shown = {name: schema for name, schema in components.items() if name not in queries}
    whole = {
        "openapi": "3.1.0",
        "info": {"title": dialect.title, "version": version("drawdown")},
        "servers": [{"url": base or "/"} for base in dialect.bases],
        "security": [{scheme: []} for scheme in dialect.security],
        "paths": paths,
        "components": {
            "securitySchemes": {scheme: _SECURITY[scheme] for scheme in dialect.security},
            "schemas": shown,
        },
    }
    return msgspec.json.encode(whole)


def _schemas(dialect: Dialect) -> tuple[dict[type, Json], dict[str, Json]]:
    """The schema of every record in the table, and the components they refer to."""
    asked = _records(each for row in dialect.endpoints for each in (row.body, row.query))
    answered = _records((dialect.error_record, *(row.answer for row in dialect.endpoints)))
    records = [*dialect.schemas, *asked, *answered]
    found, components = msgspec.json.schema_components(records, ref_template=REFERENCE)
    schemas = dict(zip(records, found, strict=True))
    for record in answered - asked.keys():
        if always := _always_answered(record):
            components[_name_of(schemas[record])]["required"] = always
    return schemas, components


def _records(types: Iterable[type | None]) -> dict[type, None]:
    """Those, and every record within them."""
    found: dict[type, None] = {}
    waiting = [inspect.type_info(each) for each in types if each is not None]
    while waiting:
        info = waiting.pop()
        if isinstance(info, inspect.StructType):
            if info.cls in found:
                continue
            found[info.cls] = None
        waiting += _within(info)
    return found


def _within(info: inspect.Type) -> Iterable[inspect.Type]:
    """The types that a type is made of."""
    match info:
        case inspect.StructType():
            return [field.type for field in info.fields]
        case inspect.UnionType():
            return info.types
        case inspect.TupleType():
            return info.item_types
        case inspect.ListType() | inspect.VarTupleType():
            return [info.item_type]
        case inspect.DictType():
            return [info.value_type]
        case inspect.Metadata():
            return [info.type]
    return []


def _always_answered(record: type) -> list[str]:
    """The fields that are written whatever is in them: a default is for who makes the record."""
    plain: type[msgspec.Struct] = get_origin(record) or record
    config = plain.__struct_config__
    omits = config.omit_defaults
    tag = [] if config.tag is None else [str(config.tag_field)]
    return tag + [
        field.encode_name
        for field in msgspec.structs.fields(plain)
        if field.required or not (omits or field.default is msgspec.UNSET)
    ]


def _operation(
    dialect: Dialect, endpoint: Endpoint, schemas: dict[type, Json], components: dict[str, Json]
) -> Json:
    parameters = [_path_parameter(name) for name in _PARAMETER.findall(endpoint.path)]
    if endpoint.query is not None:
        parameters += _query_parameters(components[_name_of(schemas[endpoint.query])])
    parameters += [_header_parameter(each) for each in dialect.headers_taken(endpoint)]
    operation: Json = {
        "operationId": _operation_id(endpoint),
        "summary": endpoint.summary,
        "description": f"Takes a key with the role {endpoint.role.value} or more.",
        "parameters": parameters,
        "responses": _responses(dialect, endpoint, schemas),
    }
    if endpoint.body is not None:
        operation["requestBody"] = _body(dialect, endpoint.body, schemas, components)
    return operation


def _operation_id(endpoint: Endpoint) -> str:
    """``post_grants_grant_expire``: unique, since method and path are."""
    return "_".join([endpoint.method.lower(), *re.findall(r"\w+", endpoint.path)])


def _path_parameter(name: str) -> Json:
    schema = {"type": "string", "minLength": 1}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameters(component: Json) -> list[Json]:
    required = component.get("required", ())
    return [
        {"name": name, "in": "query", "required": name in required, "schema": schema}
        for name, schema in component["properties"].items()
    ]


def _header_parameter(header: HeaderTaken) -> Json:
    return {
        "name": header.name,
        "in": "header",
        "required": header.required,
        "description": header.description,
        "schema": {"type": "string", **header.rules},
    }


def _body(
    dialect: Dialect, record: type, schemas: dict[type, Json], components: dict[str, Json]
) -> Json:
    schema = schemas[record]
    required = bool(components[_name_of(schema)].get("required"))
    media_type = dialect.media_type_of(record)
    return {"required": required, "content": {media_type: {"schema": schema}}}


def _responses(dialect: Dialect, endpoint: Endpoint, schemas: dict[type, Json]) -> Json:
    """The answer, and each status that a refusal may have with the codes of its refusals."""
    media_type = dialect.content_type.decode("ascii")
    success: Json = {
        "description": HTTPStatus(endpoint.status).phrase,
        "headers": _headers(dialect),
    }
    if endpoint.answer is not None:
        success["content"] = {media_type: {"schema": schemas[endpoint.answer]}}
    elif endpoint.stream is not None:
        success["content"] = {endpoint.stream: {"schema": {"type": "string"}}}
    found: Json = {str(endpoint.status): success}
    by_status: dict[int, list[str]] = {}
    for error in _refusals(dialect, endpoint):
        status = dialect.error_statuses.get(error, getattr(error, "status", 400))
        by_status.setdefault(status, []).append(error.code)
    for status in sorted(by_status):
        found[str(status)] = _refusal(dialect, status, by_status[status], schemas)
    return found


def _refusals(dialect: Dialect, endpoint: Endpoint) -> Iterable[Any]:
    yield from (web.Unauthorized, web.Forbidden)
    if endpoint.body is not None:
        yield from (web.Malformed, web.TooLarge)
    elif endpoint.query is not None:
        yield web.Malformed
    if endpoint.body is not None or endpoint.query is not None:
        yield from (web.BadRequest, web.UnknownField, web.MissingField)
    if "{" in endpoint.path:
        yield from dialect.path_errors
    yield from dialect.header_errors
    yield web.TooManyRequests
    yield from endpoint.errors
    yield from (web.Unexpected, web.Unavailable)


def _refusal(dialect: Dialect, status: int, codes: list[str], schemas: dict[type, Json]) -> Json:
    headers = _headers(dialect) | _RETRY.get(status, {})
    answer: Json = {"description": ", ".join(codes), "headers": headers}
    if dialect.error_record is not None:
        media_type = dialect.error_content_type.decode("ascii")
        answer["content"] = {media_type: {"schema": schemas[dialect.error_record]}}
    return answer


def _headers(dialect: Dialect) -> Json:
    described = {"Request-Id": "Names this request in the server's log."}
    described |= dialect.headers_answered
    return {
        name: {"description": description, "schema": {"type": "string"}}
        for name, description in described.items()
    }


def _name_of(schema: Json) -> str:
    return str(schema["$ref"]).rpartition("/")[2]
