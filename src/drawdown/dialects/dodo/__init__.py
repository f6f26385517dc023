"""Dodo Payments' credit entitlements over the ledger, under ``/dodo``: what its SDKs speak."""
