"""Load a classifier with its weights, its preprocessing and its target layers."""
