"""What customers have: grants, balances, and what moved them."""
