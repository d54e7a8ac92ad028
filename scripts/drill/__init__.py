"""What the restore drill is made of."""
