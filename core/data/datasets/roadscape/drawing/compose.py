"""Composing a street scene from random numbers.

Everything random is drawn here, in metres and before anything is painted, so that a scene is the same at every size.
"""

import numpy as np

from core.data.datasets.roadscape.drawing.buildings import Building
from core.data.datasets.roadscape.drawing.dice import Dice
from core.data.datasets.roadscape.drawing.ground import Ground
from core.data.datasets.roadscape.drawing.noise import TILE
from core.data.datasets.roadscape.drawing.people import Person
from core.data.datasets.roadscape.drawing.scene import Scene, Thing
from core.data.datasets.roadscape.drawing.sky import Sky
from core.data.datasets.roadscape.drawing.street import Bin, Fence, Post, Tree
from core.data.datasets.roadscape.drawing.vehicles import Vehicle, model
from core.data.datasets.roadscape.drawing.weather import draw_light

_FAR = 130.0  # metres; where the street ends in the haze
_WALLS = (
    (150, 84, 66),
    (178, 112, 86),
    (206, 186, 150),
    (190, 178, 160),
    (150, 148, 146),
    (222, 214, 200),
    (128, 108, 96),
    (196, 160, 120),
    (112, 124, 138),
    (170, 72, 60),
    (214, 196, 120),
    (140, 160, 150),
)
_PAINTS = (
    (205, 206, 210),
    (36, 38, 44),
    (128, 132, 138),
    (238, 238, 236),
    (166, 30, 32),
    (34, 62, 128),
    (60, 84, 70),
    (200, 172, 96),
    (84, 26, 34),
    (74, 128, 178),
    (222, 120, 30),
)
_CLOTHES = (
    (40, 44, 60),
    (180, 40, 44),
    (50, 90, 160),
    (225, 220, 210),
    (70, 110, 70),
    (230, 180, 60),
    (120, 90, 70),
    (20, 20, 24),
    (160, 110, 170),
    (235, 130, 60),
)
_SKINS = ((236, 190, 160), (205, 150, 115), (150, 100, 72), (100, 66, 48))
_LEAVES = ((74, 112, 48), (92, 128, 56), (58, 98, 58), (112, 132, 52), (150, 130, 50), (172, 100, 42))
_SHOPS = ((160, 44, 40), (40, 84, 130), (50, 110, 74), (210, 160, 60), (90, 60, 100))


def compose(rng: np.random.Generator) -> Scene:
    """Make up a scene."""
    dice = Dice(rng)
    light = draw_light(dice)
    mood = dice.between(0, 1)  # 0 a suburb, 1 a city
    ground = _ground(dice, mood)
    things: list[Thing] = []
    for index, side in enumerate((-1.0, 1.0)):
        things += _row(dice, ground, side, mood, ground.parks[index])
        things += _verge(dice, ground, side)
        things += _parked(dice, ground, side)
    things += _traffic(dice, ground)
    things += _people(dice, ground, mood)
    things = _without_collisions(things)
    things.sort(key=lambda thing: -thing.far)
    lane = 2 * ground.half_width / ground.lanes
    camera = (
        lane / 2 + dice.between(-0.3, 0.3),
        dice.between(1.35, 2.0),
        dice.between(-1, 1) ** 3 * 0.0022,
        dice.between(1.05, 1.35),
        dice.between(0.42, 0.58),
        dice.between(0.4, 0.5),
    )
    sky = Sky(
        (dice.between(0, 1), dice.between(0, 1)),
        8 + 26 * mood * rng.random(28) ** 2,
        4 + 7 * rng.random(60),
    )
    hood = (dice.between(0.045, 0.085), dice.color(_PAINTS)) if dice.chance(0.45) else None
    return Scene(
        light,
        ground,
        sky,
        tuple(things),
        camera,
        hood,
        dice.chance(0.5),
        dice.between(0.98, 1.28),
        (dice.between(1.5, 5.0), int(dice.between(0, TILE)), int(dice.between(0, TILE))),
    )


def _without_collisions(things: list[Thing]) -> list[Thing]:
    """Leave out vehicles that stand in another, and people who stand in a vehicle."""
    kept: list[Thing] = []
    vehicles: list[Vehicle] = []
    for thing in things:  # people come last
        if isinstance(thing, Vehicle):
            reach = np.abs(thing.model.footprint).max(axis=0) if abs(np.sin(thing.yaw)) < 0.5 else np.array([3.0, 1.2])
            gap = reach + np.array([1.1, 3.0])
        elif isinstance(thing, Person):
            gap = np.array([1.5, 3.2])
        else:
            kept.append(thing)
            continue
        if any(abs(thing.x - v.x) < gap[0] and abs(thing.z - v.z) < gap[1] for v in vehicles):
            continue
        kept.append(thing)
        if isinstance(thing, Vehicle):
            vehicles.append(thing)
    return kept


def _ground(dice: Dice, mood: float) -> Ground:
    lanes = 4 if dice.chance(0.15 + 0.3 * mood) else 2
    junction = None
    if dice.chance(0.4):
        start = dice.between(14, 45)
        junction = (start, start + dice.between(7, 11))
    crossing = junction[0] - 4.5 if junction is not None and dice.chance(0.7) else None
    if crossing is None and dice.chance(0.25):
        crossing = dice.between(9, 35)
    parks = tuple(_stretches(dice, 0.55 - 0.45 * mood) for _ in range(2))
    shade = dice.between(0.72, 0.95)
    warm = dice.between(-0.04, 0.06)
    return Ground(
        half_width=lanes * dice.between(2.9, 3.5) / 2 + (2.0 if dice.chance(0.6) else 0.4),
        pavement=dice.between(2.0, 4.2),
        lanes=lanes,
        junction=junction,
        crossing=crossing,
        parks=(parks[0], parks[1]),
        markings=str(dice.pick(("dashed", "dashed", "solid", "none"))),
        asphalt=dice.between(0.30, 0.46),
        paving=(shade * (0.72 + warm), shade * 0.70, shade * (0.68 - warm)),
        tile=dice.between(0.6, 1.4),
        phase=dice.between(0, 6),
        grass=tuple(dice.color(((72, 108, 46), (96, 120, 56), (120, 120, 60)), 0.1) / 255),
    )


def _stretches(dice: Dice, share: float) -> tuple[tuple[float, float], ...]:
    found, z = [], dice.between(-10, 10)
    while z < _FAR:
        length = dice.between(12, 30)
        if dice.chance(share):
            found.append((z, z + length))
        z += length
    return tuple(found)


def _clear(ground: Ground, z0: float, z1: float, margin: float = 0.0) -> bool:
    """Whether z0 … z1 stays clear of the crossing street."""
    return ground.junction is None or z1 < ground.junction[0] - margin or z0 > ground.junction[1] + margin


def _row(dice: Dice, ground: Ground, side: float, mood: float, parks: tuple[tuple[float, float], ...]) -> list[Thing]:
    """Buildings along one side; trees, hedges and fences where there is a park."""
    things: list[Thing] = []
    z = dice.between(-8, 2)
    style = (dice.between(2.8, 3.6), dice.between(1.7, 3.2))
    while z < _FAR:
        length = dice.between(8, 20)
        end = z + length
        if ground.junction is not None and z < ground.junction[1] and end > ground.junction[0]:
            end = ground.junction[0]
            if end - z < 4:
                z = ground.junction[1]
                continue
        if not any(z < b and end > a for a, b in parks):
            things.append(_building(dice, ground, side, z, end, mood, style))
        z = end + (dice.between(0, 4) if dice.chance(0.25) else 0.0)
    line = ground.building_line
    for a, b in parks:
        if dice.chance(0.65):
            things += _fences(dice, ground, side * (line + 0.1), max(a, 2.2), b)
        for _ in range(int(dice.between(2, 6))):
            place = dice.between(max(a, 5.0), max(b, 6.0))
            if _clear(ground, place, place, 1.0):
                things.append(_tree(dice, side * (line + dice.between(1.5, 12)), place, dice.between(0, 1) < 0.3))
    return things


def _building(
    dice: Dice, ground: Ground, side: float, z: float, end: float, mood: float, style: tuple[float, float]
) -> Building:
    house = dice.chance(0.75 - 0.8 * mood)
    floors = int(dice.between(2, 3.9)) if house else int(dice.between(3, 4 + 7 * mood))
    wall = dice.color(_WALLS)
    modern = not house and dice.chance(0.25)
    return Building(
        side=side,
        line=ground.building_line + (dice.between(0.3, 2.5) if house else dice.between(0, 0.5)),
        z0=z,
        z1=end,
        height=floors * style[0] + 0.8,
        wall=wall,
        trim=np.clip(wall * dice.between(0.6, 0.8) if dice.chance(0.4) else wall * 0.3 + 165, 0, 255),
        glass=dice.color(((52, 64, 78), (44, 52, 60), (78, 100, 118))),
        lit=dice.rng.random((6, 5)),
        floor=style[0],
        bay=style[1] * dice.between(0.85, 1.2),
        window=(0.82, 0.62) if modern else (dice.between(0.4, 0.58), dice.between(0.45, 0.55)),
        roof=dice.color(((150, 72, 52), (92, 84, 82), (120, 92, 74))) if house and dice.chance(0.85) else None,
        shop=dice.color(_SHOPS) if not house and dice.chance(0.3 + 0.4 * mood) else None,
    )


def _fences(dice: Dice, ground: Ground, x: float, z0: float, z1: float) -> list[Thing]:
    color = dice.color(((228, 226, 218), (112, 84, 60), (52, 62, 58), (150, 152, 152)))
    height, spacing = dice.between(0.9, 1.6), dice.between(0.16, 0.34)
    pieces: list[Thing] = []
    for a in np.arange(z0, z1 - 1.0, 5.0):
        b = min(a + 5.0, z1)
        if _clear(ground, a, b):
            pieces.append(Fence(x, float(a), float(b), height, color, spacing))
    return pieces


def _tree(dice: Dice, x: float, z: float, bush: bool) -> Tree:
    wide = dice.between(0.6, 1.2) if bush else dice.between(1.5, 2.9)
    turn, out, size = dice.rng.random((3, 210))
    turn, out = turn * 2 * np.pi, np.sqrt(out) * 0.95
    clusters = np.column_stack([np.cos(turn) * out, np.sin(turn) * out, 0.05 + 0.08 * size, turn * 3])
    trunk = 0.0 if bush else dice.between(1.8, 3.2)
    up = wide * (dice.between(0.5, 0.8) if bush else dice.between(0.9, 1.35))
    return Tree(x, z, trunk, (wide, up), dice.color(_LEAVES, 0.15), 0.86 + 0.24 * dice.rng.random(26), clusters)


def _verge(dice: Dice, ground: Ground, side: float) -> list[Thing]:
    """Trees, lamps, signs, traffic lights, railings and bins at the kerb."""
    things: list[Thing] = []
    kerb = ground.half_width + 0.45
    inward = -side
    avenue, spacing, z = dice.chance(0.45), dice.between(8, 14), dice.between(6, 14)
    while avenue and z < 95:
        if dice.chance(0.85) and _clear(ground, z, z, 2.0):
            things.append(_tree(dice, side * (kerb + dice.between(0.2, 0.6)), z, False))
        z += spacing
    gap, z = dice.between(18, 30), dice.between(7, 22)
    height = dice.between(5.5, 8.0)
    while z < 110:
        if _clear(ground, z, z, 0.5):
            things.append(Post(side * kerb, z, height, "lamp", inward, 0))
        z += gap
    for _ in range(int(dice.between(1, 4.5))):
        z = dice.between(7, 45)
        kind = str(dice.pick(("round", "blue", "triangle", "diamond", "panel", "round")))
        x = side * (kerb + dice.between(0.0, 0.5))
        post = Post(x, z, dice.between(2.3, 3.0), kind, inward, 0)
        if _clear(ground, z, z, 0.5):
            things.append(post)
    phase = int(dice.between(0, 3))
    if ground.crossing is not None and dice.chance(0.75):
        things.append(Post(side * kerb, ground.crossing - 0.6, 2.9, "lights", inward, phase))
    if dice.chance(0.3):
        start = dice.between(5, 25)
        things += _fences(dice, ground, side * (kerb - 0.1), start, start + dice.between(8, 25))
    for _ in range(int(dice.between(0, 2.6))):
        z, color = dice.between(6, 28), dice.color(((52, 96, 60), (70, 74, 80), (150, 40, 38), (196, 160, 40)))
        things.append(Bin(side * (kerb + dice.between(0.4, 1.2)), z, color))
    return things


def _vehicle(dice: Dice, x: float, z: float, yaw: float, kinds: tuple[str, ...]) -> Vehicle:
    kind = str(dice.pick(kinds))
    paint = dice.color(((196, 40, 36), (44, 92, 170), (236, 232, 224)) if kind == "bus" else _PAINTS)
    return Vehicle(model(kind), x, z, yaw, paint, dice.chance(0.35))


def _parked(dice: Dice, ground: Ground, side: float) -> list[Thing]:
    if not dice.chance(0.6):
        return []
    things: list[Thing] = []
    z = dice.between(7, 16)
    while z < 75:
        away = dice.chance(0.85) == (side > 0)
        car = _vehicle(
            dice,
            side * (ground.half_width - 1.05),
            z,
            (0.0 if away else np.pi) + dice.between(-0.04, 0.04),
            ("car", "hatch", "suv", "car", "van"),
        )
        if dice.chance(0.7) and _clear(ground, z - 3, z + 3, 2.0):
            things.append(car)
        z += dice.between(5.8, 8.5)
    return things


def _traffic(dice: Dice, ground: Ground) -> list[Thing]:
    things: list[Thing] = []
    lane = 2 * ground.half_width / ground.lanes
    kinds = ("car", "hatch", "suv", "car", "car", "van", "bus")
    for number in range(ground.lanes):
        oncoming = number < ground.lanes / 2
        x = -ground.half_width + (number + 0.5) * lane + dice.between(-0.2, 0.2)
        if ground.lanes == 2:
            x *= 0.72  # keep clear of what is parked
        z = dice.between(9, 34) if oncoming else dice.between(10, 32)
        while z < 110:
            car = _vehicle(dice, x, z, (np.pi if oncoming else 0.0) + dice.between(-0.05, 0.05), kinds)
            if dice.chance(0.65):
                things.append(car)
            z += dice.between(11, 32)
    if ground.junction is not None:
        middle = (ground.junction[0] + ground.junction[1]) / 2
        for offset, yaw in ((-1.9, -np.pi / 2), (1.9, np.pi / 2)):
            car = _vehicle(dice, dice.between(-16, 16), middle - offset, yaw, kinds)
            if dice.chance(0.4):
                things.append(car)
    return things


def _person(dice: Dice, x: float, z: float, rides: bool, sideways: bool) -> Person:
    return Person(
        x,
        z,
        dice.between(1.5, 1.92),
        dice.between(-1, 1),
        1.0 if dice.chance(0.5) else -1.0,
        dice.color(_SKINS, 0.08),
        dice.color(((40, 30, 24), (90, 60, 34), (190, 160, 100), (120, 116, 112), (150, 30, 30))),
        dice.color(_CLOTHES),
        dice.color(((40, 48, 74), (30, 30, 34), (92, 84, 74), (130, 124, 112))),
        dice.color(_PAINTS) if rides else None,
        sideways,
    )


def _people(dice: Dice, ground: Ground, mood: float) -> list[Thing]:
    things: list[Thing] = []
    for _ in range(int(dice.between(2, 7 + 5 * mood))):
        side = 1.0 if dice.chance(0.5) else -1.0
        x = side * (ground.half_width + dice.between(0.6, max(ground.pavement - 0.3, 0.9)))
        things.append(_person(dice, x, dice.between(5, 38), False, False))
    if ground.crossing is not None:
        for _ in range(int(dice.between(0, 4.5))):
            x = dice.between(-ground.half_width, ground.half_width)
            things.append(_person(dice, x, ground.crossing + dice.between(0.5, 2.5), False, False))
    for _ in range(int(dice.between(0, 3.8))):
        side = 1.0 if dice.chance(0.6) else -1.0
        x = side * (ground.half_width - dice.between(0.7, 2.2))
        things.append(_person(dice, x, dice.between(6, 30), True, dice.chance(0.3)))
    return things
