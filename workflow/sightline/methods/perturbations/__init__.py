"""Methods that alter the image and look what becomes of the score."""
