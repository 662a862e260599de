"""Where the models part, unit by unit, and what a unit does otherwise."""
