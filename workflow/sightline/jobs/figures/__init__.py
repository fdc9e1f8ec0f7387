"""The jobs that draw."""
