"""Methods that read a transformer's attention."""
