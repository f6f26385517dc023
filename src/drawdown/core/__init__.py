"""The rules of prepaid credits: pure functions over records. No I/O, clock, randomness or logging."""
