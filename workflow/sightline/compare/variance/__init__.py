"""Variance components of maps by model, method and image."""
