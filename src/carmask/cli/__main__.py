"""``python -m carmask.cli`` is ``carmask``."""

from carmask.cli import main

main()
