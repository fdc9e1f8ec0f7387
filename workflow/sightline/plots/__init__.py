"""Figures from tables and maps."""
