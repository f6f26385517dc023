"""API keys of the caller's own account. A test key never sees or makes a live one."""

from __future__ import annotations

from drawdown.core import identity
from drawdown.core.requests import Answer
from drawdown.core.types import Mode
from drawdown.dialects.native import asked, common, render, wire
from drawdown.dialects.native.errors import KeyNotFound
from drawdown.engine.accounts import NAME_RULE, AccountNameInvalid, ApiKey, Role
from drawdown.web.endpoints import Call, Endpoint
from drawdown.web.errors import BadRequest, Forbidden


async def list_keys(call: Call) -> Answer:
    """Newest first, revoked ones included; there are few, so they come in one page."""
    found = sorted(await _visible(call), key=lambda key: key.id, reverse=True)
    return common.ok(wire.Page(data=[render.key(key) for key in found], next=None))


async def create_key(call: Call) -> Answer:
    """Of the caller's own mode unless another is asked for. Its secret cannot be had again."""
    body: asked.CreateKey = call.body
    mode = call.principal.mode if body.mode is None else body.mode
    if mode is Mode.LIVE and call.principal.mode is not Mode.LIVE:
        raise Forbidden("admin, of live mode,", "admin of test mode")
    try:
        key, secret = await call.ledger.accounts.create_key(
            call.principal.account, mode, body.role, body.name
        )
    except AccountNameInvalid:
        raise BadRequest("name", NAME_RULE) from None
    return Answer(status=201, body=wire.encode(render.new_key(key, secret)))


async def revoke_key(call: Call) -> Answer:
    """It opens nothing from now on. Revoking it again changes nothing."""
    wanted = identity.parse(call.path["key"])
    if not any(key.id == wanted for key in await _visible(call)):
        raise KeyNotFound(call.path["key"])
    assert wanted is not None
    await call.ledger.accounts.revoke_key(wanted)
    return common.ok(next(render.key(key) for key in await _visible(call) if key.id == wanted))


async def _visible(call: Call) -> list[ApiKey]:
    """The keys that the caller may manage: of its account; for a test key, test keys only."""
    keys = await call.ledger.accounts.keys(call.principal.account)
    return [key for key in keys if call.principal.mode is Mode.LIVE or key.mode is Mode.TEST]


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/keys",
        handler=list_keys,
        summary="List the account's API keys",
        role=Role.ADMIN,
        answer=wire.Page[wire.Key],
    ),
    Endpoint(
        method="POST",
        path="/keys",
        handler=create_key,
        summary="Make an API key; its secret is shown once",
        role=Role.ADMIN,
        body=asked.CreateKey,
        answer=wire.NewKey,
        status=201,
    ),
    Endpoint(
        method="POST",
        path="/keys/{key}/revoke",
        handler=revoke_key,
        summary="Revoke an API key",
        role=Role.ADMIN,
        answer=wire.Key,
        errors=(KeyNotFound,),
    ),
)
