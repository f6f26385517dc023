"""What watches a wallet: alerts, and top-ups that ask for payment."""
