"""Whose players there are. Every ledger is opened with all of them, whichever dialects it serves."""

from __future__ import annotations

from drawdown.core.billing import player as billing
from drawdown.core.standing.players import Players

PLAYERS: Players = billing.PLAYERS
