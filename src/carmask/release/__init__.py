"""From trained weights to a shipped model file."""
