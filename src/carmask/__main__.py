"""``python -m carmask`` is ``carmask``."""

from carmask.cli import main

main()
