"""The mean map over models, and how far each model agrees with it."""
