"""Masks to and from the forms that tools keep them in: one module for each form, ``picture`` between them.

``table`` lists the formats by name; ``picture`` has what each is read into and written from.
"""
