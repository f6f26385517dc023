"""Moving over from Sequence."""
