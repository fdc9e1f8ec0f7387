"""Maps that read no model: what a method has to beat."""
