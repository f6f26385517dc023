"""Looking back: why a debit drew what it drew, and what another rule would have done."""
