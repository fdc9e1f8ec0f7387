"""Methods that take the score's gradient at images, and what they share."""
