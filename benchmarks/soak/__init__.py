"""Long runs under load, faults and attack: ``python -m benchmarks.soak --help``, or ``make soak``."""
