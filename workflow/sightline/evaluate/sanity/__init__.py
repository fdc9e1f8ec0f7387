"""Checks that explanations depend on what they explain."""
