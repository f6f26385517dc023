"""Moving over from Dodo Payments."""
