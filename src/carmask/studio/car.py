"""What a car is made of: measures and equipment of seven body types, and how to draw new cars from them.

The measures are typical of each class of car, not of one model.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, replace

import numpy as np

from carmask.errors import StudioError, UnknownNameError

RGB = tuple[float, float, float]

#: Linear-light colours of paint, and how often they are seen; metallic paints have a flake layer.
PAINTS: Mapping[str, tuple[RGB, bool, float]] = {
    "white": ((0.80, 0.80, 0.79), False, 0.22),
    "black": ((0.010, 0.010, 0.011), False, 0.18),
    "silver": ((0.50, 0.51, 0.53), True, 0.16),
    "grey": ((0.11, 0.115, 0.125), True, 0.16),
    "blue": ((0.018, 0.045, 0.17), True, 0.09),
    "navy": ((0.008, 0.014, 0.045), True, 0.05),
    "red": ((0.30, 0.012, 0.014), False, 0.08),
    "brown": ((0.07, 0.035, 0.02), True, 0.02),
    "green": ((0.02, 0.07, 0.045), True, 0.02),
    "orange": ((0.50, 0.13, 0.015), False, 0.01),
    "mirror": ((0.93, 0.93, 0.94), True, 0.0),
}


@dataclass(frozen=True)
class Car:
    """One car. Lengths in metres; ``_d`` is a distance behind the nose, ``_z`` a height above the ground.

    Attributes:
        body: one of ``BODIES``.
        paint: one of ``PAINTS``.
        cowl_d: foot of the windscreen, at ``cowl_z``.
        screen_top_d: head of the windscreen.
        roof_rear_d: where the roof ends.
        back_base_d: foot of the rear window, at ``back_base_z``.
        nose_z: front edge of the bonnet.
        deck_z: top edge of the tail.
        clearance: ground to sill.
        tumblehome: how much the side windows lean in, metres for each metre of height.
        glass: transmittance of the windows behind the front doors.
        grille_high: height of the grille.
        spokes: of each wheel.
        face: 0 to 1, slant of the lamps.
    """

    body: str = "saloon"
    paint: str = "grey"
    length: float = 4.75
    width: float = 1.84
    height: float = 1.45
    wheelbase: float = 2.80
    front_overhang: float = 0.92
    tyre_radius: float = 0.335
    clearance: float = 0.19
    nose_z: float = 0.75
    cowl_d: float = 1.38
    cowl_z: float = 0.97
    screen_top_d: float = 2.16
    roof_rear_d: float = 3.46
    back_base_d: float = 4.12
    back_base_z: float = 1.06
    deck_z: float = 1.05
    tumblehome: float = 0.36
    glass: float = 0.5
    grille_high: float = 0.17
    spokes: int = 5
    face: float = 0.5
    doors: int = 4
    cladding: bool = False
    antenna: bool = False
    rack: bool = False
    rails: bool = False
    spoiler: bool = False
    glass_roof: bool = False
    chrome: bool = False
    black_rims: bool = False
    light_interior: bool = False
    bed: bool = False
    panel_van: bool = False

    def __post_init__(self) -> None:
        check_car(self)

    @property
    def front_axle(self) -> float:
        """Position of the front axle, x."""
        return self.length / 2 - self.front_overhang

    @property
    def rear_axle(self) -> float:
        """Position of the rear axle, x."""
        return self.front_axle - self.wheelbase


_BODIES: dict[str, Car] = {}


def check_car(car: Car) -> None:
    """Refuse measures that no car can have.

    Raises:
        UnknownNameError: if there is no such paint or body.
        StudioError: if a measure is out of range, or two contradict each other.
    """
    if car.paint not in PAINTS:
        raise UnknownNameError(f"no paint is named {car.paint!r}; there are {', '.join(PAINTS)}")
    if _BODIES and car.body not in _BODIES:
        raise UnknownNameError(f"no body is named {car.body!r}; there are {', '.join(_BODIES)}")
    ranges = {
        "length": (3.0, 6.5),
        "width": (1.5, 2.2),
        "height": (1.1, 2.3),
        "tyre_radius": (0.25, 0.5),
        "clearance": (0.1, 0.45),
        "tumblehome": (0.0, 0.6),
        "glass": (0.02, 0.95),
        "grille_high": (0.05, 0.4),
        "spokes": (3, 24),
        "face": (0.0, 1.0),
        "doors": (2, 4),
    }
    for name, (low, high) in ranges.items():
        value = getattr(car, name)
        # Written so that NaN fails.
        if not low <= value <= high:
            raise StudioError(f"a car with {name} {value} cannot be built: it must lie between {low} and {high}")
    orders: tuple[tuple[str, float, str, float], ...] = (
        ("cowl_d", car.cowl_d + 0.3, "screen_top_d", car.screen_top_d),
        ("screen_top_d", car.screen_top_d + 0.3, "roof_rear_d", car.roof_rear_d),
        ("roof_rear_d", car.roof_rear_d, "back_base_d", car.back_base_d),
        ("back_base_d", car.back_base_d, "length", car.length),
        ("clearance", car.clearance + 0.3, "nose_z", car.nose_z),
        ("nose_z", car.nose_z, "cowl_z", car.cowl_z),
        ("cowl_z", car.cowl_z + 0.25, "height", car.height),
        ("back_base_z", car.back_base_z + 0.2, "height", car.height),
        ("deck_z", car.deck_z, "height", car.height),
        ("the front wheel", car.tyre_radius + 0.12, "front_overhang", car.front_overhang),
        ("the wheels", 4 * car.tyre_radius, "wheelbase", car.wheelbase),
        ("the rear wheel", car.front_overhang + car.wheelbase + car.tyre_radius + 0.12, "length", car.length),
    )
    for first, low_value, second, high_value in orders:
        if not low_value <= high_value:
            raise StudioError(
                f"a car with {second} {high_value:g} m cannot be built: {first} needs at least {low_value:.2f} m"
            )


_BODIES.update(
    saloon=Car(),
    hatchback=Car(
        body="hatchback",
        length=4.15,
        width=1.78,
        height=1.48,
        wheelbase=2.56,
        front_overhang=0.86,
        nose_z=0.76,
        cowl_d=1.12,
        cowl_z=0.99,
        screen_top_d=1.86,
        roof_rear_d=3.68,
        back_base_d=4.06,
        back_base_z=1.03,
        deck_z=1.02,
        tyre_radius=0.318,
        spoiler=True,
    ),
    estate=Car(
        body="estate",
        length=4.75,
        height=1.48,
        roof_rear_d=4.16,
        back_base_d=4.66,
        back_base_z=1.05,
        deck_z=1.04,
        rails=True,
    ),
    suv=Car(
        body="suv",
        length=4.66,
        width=1.89,
        height=1.70,
        wheelbase=2.70,
        front_overhang=0.92,
        tyre_radius=0.368,
        clearance=0.25,
        nose_z=0.95,
        cowl_d=1.26,
        cowl_z=1.17,
        screen_top_d=1.95,
        roof_rear_d=4.12,
        back_base_d=4.55,
        back_base_z=1.19,
        deck_z=1.18,
        tumblehome=0.30,
        grille_high=0.22,
        cladding=True,
        rails=True,
        spoiler=True,
    ),
    coupe=Car(
        body="coupe",
        length=4.65,
        width=1.87,
        height=1.37,
        wheelbase=2.76,
        tyre_radius=0.345,
        nose_z=0.71,
        cowl_d=1.48,
        cowl_z=0.93,
        screen_top_d=2.28,
        roof_rear_d=3.02,
        back_base_d=4.14,
        back_base_z=1.01,
        deck_z=1.0,
        tumblehome=0.42,
        doors=2,
        spokes=10,
    ),
    pickup=Car(
        body="pickup",
        length=5.45,
        width=1.96,
        height=1.84,
        wheelbase=3.30,
        front_overhang=0.98,
        tyre_radius=0.395,
        clearance=0.33,
        nose_z=1.06,
        cowl_d=1.45,
        cowl_z=1.25,
        screen_top_d=2.10,
        roof_rear_d=3.52,
        back_base_d=3.68,
        back_base_z=1.27,
        deck_z=1.24,
        tumblehome=0.26,
        grille_high=0.30,
        cladding=True,
        bed=True,
        chrome=True,
    ),
    van=Car(
        body="van",
        length=5.05,
        width=1.96,
        height=1.80,
        wheelbase=3.06,
        front_overhang=0.95,
        tyre_radius=0.345,
        clearance=0.2,
        nose_z=0.88,
        cowl_d=0.98,
        cowl_z=1.12,
        screen_top_d=1.86,
        roof_rear_d=4.68,
        back_base_d=4.95,
        back_base_z=1.12,
        deck_z=1.1,
        tumblehome=0.24,
        grille_high=0.16,
    ),
)
#: The typical car of each body type.
BODIES: Mapping[str, Car] = _BODIES

#: Hard cases that can be asked for: what a car is changed to.
HARD: Mapping[str, Mapping[str, object]] = {
    "white": {"paint": "white"},
    "black": {"paint": "black"},
    "mirror": {"paint": "mirror"},
    "antenna": {"antenna": True},
    "rack": {"rack": True, "rails": True},
    "glass-roof": {"glass_roof": True, "light_interior": True},
    "clear-glass": {"glass": 0.85, "light_interior": True},
}


def draw_car(rng: np.random.Generator, *, body: str | None = None, hard: Collection[str] = ()) -> Car:
    """Draw a car at random.

    Args:
        rng: where chance comes from; the same state gives the same car.
        body: one of ``BODIES``; drawn too where None.
        hard: names from ``HARD`` that are to hold of the car.

    Returns:
        A car that passes ``check_car``.

    Raises:
        UnknownNameError: if there is no such body or hard case.
    """
    for name in hard:
        if name not in HARD:
            raise UnknownNameError(f"no hard case is named {name!r}; there are {', '.join(HARD)}")
    if body is not None and body not in BODIES:
        raise UnknownNameError(f"no body is named {body!r}; there are {', '.join(BODIES)}")
    drawn = list(BODIES)[rng.integers(len(BODIES))]
    typical = BODIES[drawn if body is None else body]
    # One scale for all lengths and one for all heights keep the order that check_car asks for.
    long, high = rng.uniform(0.96, 1.04), rng.uniform(0.97, 1.03)
    lengths = ("length", "wheelbase", "front_overhang", "cowl_d", "screen_top_d", "roof_rear_d", "back_base_d")
    heights = ("height", "nose_z", "cowl_z", "back_base_z", "deck_z")
    measures = {name: getattr(typical, name) * long for name in lengths}
    measures |= {name: getattr(typical, name) * high for name in heights}
    chances = np.array([chance for _, _, chance in PAINTS.values()])
    changes: dict[str, object] = {
        **measures,
        "paint": str(rng.choice(list(PAINTS), p=chances / chances.sum())),
        "width": typical.width * rng.uniform(0.98, 1.03),
        "tyre_radius": typical.tyre_radius * rng.uniform(0.97, 1.05),
        "tumblehome": typical.tumblehome * rng.uniform(0.9, 1.1),
        "glass": float(rng.choice([0.12, 0.3, 0.55, 0.7])),
        "grille_high": typical.grille_high * rng.uniform(0.75, 1.3),
        "spokes": int(rng.choice([5, 6, 7, 9, 10, 12])),
        "face": float(rng.uniform()),
        "antenna": bool(rng.uniform() < 0.15),
        "rack": bool(typical.rails and rng.uniform() < 0.15),
        "rails": bool(typical.rails and rng.uniform() < 0.7),
        "spoiler": bool(typical.spoiler and rng.uniform() < 0.7),
        "glass_roof": bool(not typical.bed and rng.uniform() < 0.15),
        "chrome": bool(rng.uniform() < (0.7 if typical.bed else 0.35)),
        "black_rims": bool(rng.uniform() < 0.2),
        "light_interior": bool(rng.uniform() < 0.3),
    }
    for name in hard:
        changes |= HARD[name]
    if changes["rack"]:
        changes["rails"] = True
    known = {field.name for field in fields(Car)}
    return replace(typical, **{name: value for name, value in changes.items() if name in known})  # type: ignore[arg-type]
