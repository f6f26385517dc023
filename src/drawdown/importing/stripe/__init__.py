"""Moving over from Stripe."""
