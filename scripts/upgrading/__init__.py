"""What an upgrade is made of."""
