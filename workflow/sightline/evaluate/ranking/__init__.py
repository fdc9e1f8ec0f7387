"""What experiments say of methods together."""
