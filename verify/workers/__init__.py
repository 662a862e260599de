"""The processes that decode images and run the models."""
