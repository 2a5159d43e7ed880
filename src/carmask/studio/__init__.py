"""A studio of our own: procedural cars on a turntable, rendered with exact masks and part labels."""
