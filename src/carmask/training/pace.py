"""How long a training will still take, from how long it has taken."""

from __future__ import annotations

from dataclasses import dataclass, replace

from carmask.training.recipe import Recipe


@dataclass(frozen=True)
class Pace:
    """What has been measured so far.

    The time of a step is taken to be proportional to the pixels that the network sees in it: stages differ in size.

    Attributes:
        recipe: the settings, with ``epoch_photos`` above 0.
        pixels: of all photos trained on.
        seconds: that training on them took.
        check_seconds: that validation took, of all epochs.
        checks: epochs validated.
    """

    recipe: Recipe
    pixels: float = 0.0
    seconds: float = 0.0
    check_seconds: float = 0.0
    checks: int = 0

    def with_epoch(self, epoch: int, photos: int, seconds: float, *, checks: float | None = None) -> Pace:
        """Add an epoch, or a part of one.

        Args:
            epoch: counted from 0.
            photos: trained on in it.
            seconds: that this took.
            checks: seconds that its validation took; None if there was none yet.

        Returns:
            The new measurement.
        """
        made = replace(self, pixels=self.pixels + photos * self._area(epoch), seconds=self.seconds + seconds)
        if checks is not None:
            made = replace(made, check_seconds=self.check_seconds + checks, checks=self.checks + 1)
        return made

    def left(self, epoch: int, done: int) -> float | None:
        """Seconds that are left.

        Args:
            epoch: the present epoch, counted from 0; the number of epochs if all are done.
            done: photos of it that are done.

        Returns:
            The estimate; None if nothing was measured.
        """
        if not self.pixels:
            return None
        epochs = range(epoch, self.recipe.epochs)
        pixels = sum(self.recipe.epoch_photos * self._area(number) for number in epochs)
        pixels -= done * self._area(epoch) if epochs else 0.0
        check = self.check_seconds / self.checks if self.checks else 0.0
        return max(0.0, pixels) * self.seconds / self.pixels + check * len(epochs)

    def _area(self, epoch: int) -> float:
        height, width = self.recipe.stage(epoch).shown
        return float(height * width)
