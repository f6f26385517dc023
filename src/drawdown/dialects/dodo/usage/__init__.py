"""Meters and the events that they count."""
