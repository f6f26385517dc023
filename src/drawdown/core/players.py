"""Whose players there are. Every ledger is opened with all of them, whichever dialects it serves."""

from __future__ import annotations

from drawdown.core.standing.players import Players

PLAYERS: Players = {}
