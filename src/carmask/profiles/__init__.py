"""Profiles: options of ``carmask cut`` and the rules of a channel, in TOML files whose every key is checked."""
