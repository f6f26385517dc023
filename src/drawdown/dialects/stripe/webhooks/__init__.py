"""Webhook endpoints, what they are told, and the list of it."""
