"""From corrected masks to a model that is better by more than chance, or a reasoned refusal."""
