"""Methods that propagate something else than the gradient through the model."""
