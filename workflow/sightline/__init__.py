"""Sightline shows where image classifiers look, and whether they agree."""

__version__ = "0.1.0"
