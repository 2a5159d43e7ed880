"""Data sets: pairing photos with masks, splitting by car, augmentation."""
