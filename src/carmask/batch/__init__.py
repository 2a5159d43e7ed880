"""Many photos: what goes where, nothing twice, nothing lost."""
