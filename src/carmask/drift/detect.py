"""Compare the photos of a period with a reference: which measures and rates have moved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from carmask.drift.statistics import fisher_p_value, holm, ks_distance, ks_p_value
from carmask.drift.summary import RATES, Distribution, Rate, Summary
from carmask.errors import UsageError
from carmask.prediction.measures import MEASURES
from carmask.words import counted

#: The probability of a false alarm that is put up with.
LEVEL = 0.01
#: Less than this between two distribution functions, or two rates, is no alarm however certain it is.
LEAST_DISTANCE, LEAST_DIFFERENCE = 0.15, 0.05
#: With fewer independent photos than this, nothing is tested.
LEAST_PHOTOS = 8


class Change(NamedTuple):
    """A measure or rate in both periods, and whether it has moved.

    Attributes:
        name: of the measure or rate.
        title: what it is, for the reader.
        before: median in the reference; of a rate, the share.
        now: the same of the period.
        distance: of the distribution functions (Kolmogorov, Smirnov), or of the shares, 0 to 1.
        photos: how many independent photos the period's are worth.
        p_value: of a distance as large by chance.
        adjusted: the same, corrected for all tests by Holm's method.
        moved: significant, and large enough to matter.
    """

    name: str
    title: str
    before: float
    now: float
    distance: float
    photos: float
    p_value: float
    adjusted: float
    moved: bool


@dataclass(frozen=True)
class Drift:
    """What a comparison found.

    Attributes:
        period: the photos that were compared.
        reference: what they were compared with.
        level: the probability of a false alarm.
        changes: of everything that was tested, the least probable first.
        untested: what was not, and why, for the reader.
    """

    period: Summary
    reference: Summary
    level: float
    changes: tuple[Change, ...]
    untested: tuple[str, ...]

    @property
    def moved(self) -> tuple[Change, ...]:
        """Those that have moved; the photos are unlike the reference if there are any."""
        return tuple(one for one in self.changes if one.moved)


def detect_drift(period: Summary, reference: Summary, *, level: float = LEVEL) -> Drift:
    """Compare a period with a reference.

    Each measure is tested by Kolmogorov's and Smirnov's two-sample test, each rate by Fisher's exact test, with as many
    photos as they are worth where several show one car; all p-values are corrected together by Holm's method.
    Confidence features are compared only where the same model gave them.

    Args:
        period: to be compared.
        reference: an earlier period, or the photos that a model was calibrated on.
        level: the probability of any false alarm, above 0 and below 1.

    Returns:
        What has moved.

    Raises:
        UsageError: if the level is none, or there are too few photos to test anything.
    """
    if not 0 < level < 1:
        raise UsageError(f"{level:g} is no probability between 0 and 1", argument="level")
    same, untested = period.model_sha256 == reference.model_sha256, []
    if not same:
        untested.append(
            f"confidence and its features, the rate of review: cut with {period.made_with}, the reference with "
            f"{reference.made_with}"
        )
    found = [
        *_test_measures(period, reference, untested, same=same),
        *_test_rates(period, reference, untested, same=same),
    ]
    if not found:
        raise UsageError(
            f"{period.about}: too few photos to test: {counted(period.photos, 'photo')} of "
            f"{counted(period.vehicles, 'car')}; at least {LEAST_PHOTOS} photos of different cars are needed, "
            "in the reference too"
        )
    changes = []
    for (one, least), adjusted in zip(found, holm([one.p_value for one, _ in found]), strict=True):
        changes.append(one._replace(adjusted=adjusted, moved=adjusted <= level and one.distance >= least))
    changes.sort(key=lambda one: (not one.moved, one.adjusted, -one.distance))
    return Drift(period, reference, level, tuple(changes), tuple(untested))


def _test_measures(
    period: Summary, reference: Summary, untested: list[str], *, same: bool
) -> Iterator[tuple[Change, float]]:
    """Each measure in both periods, not corrected for the other tests, and the least distance that matters."""
    for name, measure in MEASURES.items():
        one, other = period.measures.get(name), reference.measures.get(name)
        if one is None or other is None or (measure.group == "confidence" and not same):
            continue
        if min(one.effective, other.effective) < LEAST_PHOTOS:
            untested.append(f"{measure.title}: {_worth(one, other)}")
            continue
        distance = ks_distance(one.values, other.values)
        p_value = ks_p_value(distance, one.effective, other.effective)
        change = Change(name, measure.title, other.median, one.median, distance, one.effective, p_value, p_value, False)
        yield change, LEAST_DISTANCE


def _test_rates(
    period: Summary, reference: Summary, untested: list[str], *, same: bool
) -> Iterator[tuple[Change, float]]:
    """The same of each rate."""
    for name, title in RATES.items():
        one, other = period.rates.get(name), reference.rates.get(name)
        if one is None or other is None or (name == "review" and not same):
            continue
        if min(one.effective, other.effective) < LEAST_PHOTOS:
            untested.append(f"{title}: {_worth(one, other)}")
            continue
        p_value = fisher_p_value(_independent(one), _independent(other))
        difference = abs(one.share - other.share)
        change = Change(name, title, other.share, one.share, difference, one.effective, p_value, p_value, False)
        yield change, LEAST_DIFFERENCE


def _worth(one: Distribution | Rate, other: Distribution | Rate) -> str:
    return f"{counted(one.photos, 'photo')} worth {one.effective:.0f} independent ones, against {other.effective:.0f}"


def _independent(rate: Rate) -> tuple[int, int]:
    """The rate, of as many photos as they are worth."""
    size = max(1, round(rate.effective))
    return round(rate.share * size), size
