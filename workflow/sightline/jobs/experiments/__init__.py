"""The jobs of experiments: what they measure, and their tables."""
