"""The run over the images, and its scores."""
