"""Profiles: the look of a dealer's pictures and the rules of a channel, in TOML files whose every key is checked."""
