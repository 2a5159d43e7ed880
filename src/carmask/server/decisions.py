"""What the server says of a decision that is stored."""

from __future__ import annotations

from carmask.batch.corrections import Correction
from carmask.errors import CarmaskError


class UnrenderedError(CarmaskError):
    """A decision is stored, and the photo's outputs could not be written again.

    Attributes:
        stored: the decision.
        why: what was raised.
    """

    def __init__(self, stored: Correction, why: CarmaskError) -> None:
        """Say both."""
        self.stored, self.why = stored, why
        super().__init__(f"saved, but not rendered again: {why}; save it once more, or cut the photos again")


def described(one: Correction) -> dict[str, object]:
    """A decision, as JSON holds it."""
    return {
        "decision": one.decision,
        "revision": one.revision,
        "why": one.reason,
        "author": one.author,
        "saved": one.saved,
    }
