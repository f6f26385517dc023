"""What each command needs loaded before it can be decided."""
