"""Class activation maps, one module a method."""
