"""`drawdown replay`: a usage file, row by row, becomes debits asked over HTTP."""
