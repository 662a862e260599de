"""From an image file to the models' input."""
