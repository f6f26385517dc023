"""What customers use: events, and the metrics that count them."""
