"""A random adult in three dimensions: the solids that both films of a study are shadows of.

Lengths are centimetres. x runs to the patient's left (the image's right in a frontal film), y to the back (the image's
right in a lateral film), z down from the top of the lungs. A ray is a line along y (frontal) or x (lateral).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

Array = np.ndarray
Point = tuple[float, float, float]
Interval = tuple[Array, Array]
SIDES = {"right": -1, "left": 1}


@dataclass(frozen=True)
class Ellipsoid:
    """A solid around `center` with half axes `axes` (x, y, z), turned by `turn` radians in the frontal plane."""

    center: Point
    axes: Point
    turn: float = 0.0

    def interval(self, along: str, u: Array, z: Array) -> Interval:
        """Where rays enter and leave; equal where they miss. along: "y" with u = x, or "x" with u = y."""
        cos, sin = math.cos(self.turn), math.sin(self.turn)
        a, b, c = (1 / axis**2 for axis in self.axes)
        xx, xz, zz = (
            a * cos**2 + c * sin**2,
            (a - c) * cos * sin,
            a * sin**2 + c * cos**2,
        )
        dz = z - self.center[2]
        if along == "y":
            du = u - self.center[0]
            half = np.sqrt(np.clip((1 - xx * du**2 - 2 * xz * du * dz - zz * dz**2) / b, 0, None))
            return self.center[1] - half, self.center[1] + half
        du = u - self.center[1]
        middle = -xz * dz / xx
        half = np.sqrt(np.clip((1 - b * du**2 - zz * dz**2) / xx + middle**2, 0, None))
        return self.center[0] + middle - half, self.center[0] + middle + half


@dataclass(frozen=True)
class Body:
    """What differs from one person, and one exposure, to the next.

    lung: greatest half width of the chest cavity. height: from the top of the lungs to the right dome. depth: greatest
    half depth of the cavity. fat: of the wall. ratio: cardiothoracic. breasts: thickness, 0 for none. raised: how far
    each dome is pushed up (right, left). field: side of the film. tilt, turn, shift: how the person stands.
    """

    lung: float
    height: float
    depth: float
    fat: float
    ratio: float
    breasts: float
    breast_size: float
    raised: tuple[float, float]
    lower_left: float
    heart_turn: float
    aorta: float
    carina: float
    rib_gap: float
    rib_drop: float
    shoulder: float
    clavicle: float
    arm: float
    bend: float
    bone: float
    field: float
    tilt: float
    turn: float
    shift: tuple[float, float]

    def cavity(self, z: Array) -> tuple[Array, Array, Array]:
        """Half width, half depth and middle (in y) of the chest cavity at height z."""
        wide = 1 - (1 - np.clip(z / (0.80 * self.height), 0, 1)) ** 2.2
        deep = 1 - (1 - np.clip((z + 0.8) / (0.60 * self.height), 0, 1)) ** 2.1
        a = self.lung * wide**0.50 * (0.95 + 0.05 * np.clip(z / self.height, 0, 1)) + 1e-3
        b = self.depth * (0.25 + 0.75 * deep**0.6) + 1e-3
        return (
            a,
            b,
            0.55 * (self.depth - b) - 0.9 * np.clip(z / self.height - 0.55, 0, 1) + self.kyphosis(z),
        )

    def skin(self, z: Array, arms_up: bool = False) -> tuple[Array, Array, Array]:
        """Half width, half depth and middle (in y) of the trunk and neck at height z."""
        lung, fat, s = self.lung, self.fat, self.shoulder
        h = self.height
        at = [-14, -6.5, -4.2, -2.4, -0.6, 1.5, 4, 7, 10.5, 14, h, h + 15]
        side = [5.2 + 0.25 * fat, 5.5 + 0.3 * fat, 7.2 + 0.4 * fat, 10.2 + s, 14.2 + s, 16.8 + s, 17.6 + s, 17.0 + s,
                lung + 3.0 + 0.6 * fat, lung + 1.9 + 0.8 * fat, lung + 1.5 + 0.9 * fat,
                lung + 1.0 + 1.3 * fat]  # fmt: skip
        if arms_up:
            side = [min(width, lung + 2.5 + fat) for width in side]
        d = self.depth
        deep = [5.4, 5.8, 6.4, 7.2, 7.8, d + 0.4, d + 1.0 + 0.3 * fat, d + 1.3 + 0.4 * fat, d + 1.5 + 0.5 * fat,
                d + 1.6 + 0.6 * fat, d + 1.5 + 0.8 * fat, d + 1.2 + 1.4 * fat]  # fmt: skip
        middle = [0.0, 1.4, 2.0, 2.4, 2.4, 1.9, 1.5, 1.2, 0.9, 0.6, -0.1, -0.8]
        a, b, y = (smooth_curve(z, at, values) for values in (side, deep, middle))
        return a, b, y + self.kyphosis(z)

    def kyphosis(self, z: Array) -> Array:
        """How far the curve of the back carries the chest backwards at height z."""
        return self.bend * np.sin(np.pi * np.clip(z / (1.15 * self.height), 0, 1)) - 0.5 * self.bend

    def dome(self, side: str) -> tuple[float, float, float, float, float]:
        """One hemidiaphragm z = top + kx (|x| - x0)^2 + ky (y - y0)^2, as (top, x0, kx, y0, ky)."""
        top = self.height + (self.lower_left if side == "left" else 0.0) - self.raised[side == "left"]
        x0 = 0.44 * self.lung
        return (
            top,
            x0,
            4.6 / (self.lung - x0) ** 2,
            -0.30 * self.depth,
            7.5 / (1.25 * self.depth) ** 2,
        )

    @cached_property
    def heart(self) -> tuple[Ellipsoid, ...]:
        """Left heart, right atrium, and the root of the great vessels; together as wide as the ratio says."""
        width, turn = self.ratio * 2 * self.lung, self.heart_turn
        long = 0.46 * width / math.hypot(math.cos(turn), 0.64 * math.sin(turn))
        short = 0.64 * long
        reach = math.hypot(long * math.sin(turn), short * math.cos(turn))
        z = self.height + self.lower_left - 0.52 * reach - 0.3
        forward = -0.42 * self.depth
        return (
            Ellipsoid((0.22 * width, forward, z), (long, 0.40 * width, short), turn),
            Ellipsoid(
                (-0.10 * width, forward + 0.6, z - 0.3),
                (0.22 * width, 0.34 * width, 1.0 * reach),
                -0.12,
            ),
            Ellipsoid(
                (0.8, forward + 1.8, (z + self.carina) / 2),
                (0.26 * self.lung, 0.36 * self.lung, (z - self.carina) / 2 + 1.5),
                0.22,
            ),
        )

    @cached_property
    def vessels(self) -> tuple[Ellipsoid, ...]:
        """Aortic arch, pulmonary trunk, descending aorta and upper vena cava."""
        arch, k = self.carina - 2.6, self.aorta
        return (
            Ellipsoid((1.9 * k, 0.8, arch), (2.1 * k, 4.6, 1.8 * k)),
            Ellipsoid((2.2, -1.0, self.carina + 2.2), (1.9, 2.4, 2.1), 0.4),
            Ellipsoid((1.5 * k, 0.50 * self.depth, arch + 9), (1.25 * k, 1.3 * k, 10.5), 0.03),
            Ellipsoid((-1.9, 0.3, self.carina - 2.5), (1.15, 1.2, 6.5)),
        )

    def rib(self, number: int, side: str) -> Array:
        """Points (n, 3) along one rib, from the spine to the front."""
        turn = np.linspace(0.14, 2.35 if number else 2.1, 18)
        drop = self.rib_drop * min(1.0, 0.55 + 0.15 * number)
        z = -0.6 + self.rib_gap * number + drop * (turn / 2.35) ** 1.35 - 0.5 * np.sin(np.clip(2 * turn, 0, np.pi))
        a, b, middle = self.cavity(np.maximum(z, 0.9))
        points = np.stack(
            [
                SIDES[side] * (a + 0.35) * np.sin(turn),
                middle + (b + 0.3) * np.cos(turn),
                z,
            ],
            axis=1,
        )
        return points


def draw_body(rng: np.random.Generator) -> Body:
    """A random habitus, position and depth of breath, all of them within what is normal."""
    height = float(np.clip(rng.normal(23.0, 1.7), 18.5, 27.0))
    lung = float(np.clip(rng.normal(13.2, 0.8), 11.5, 15.2))
    woman = rng.random() < 0.5
    return Body(
        lung=lung,
        height=height,
        depth=float(np.clip(rng.normal(9.6, 0.8), 8.0, 11.5)),
        fat=float(rng.gamma(2.2, 0.75)) + 0.4,
        ratio=float(rng.uniform(0.405, 0.485)),
        breasts=float(rng.uniform(1.0, 3.2)) if woman else 0.0,
        breast_size=float(rng.uniform(4.8, 7.2)),
        raised=(0.0, 0.0),
        lower_left=float(rng.uniform(0.3, 1.7)),
        heart_turn=float(rng.uniform(0.45, 0.8)),
        aorta=float(rng.uniform(0.85, 1.2)),
        carina=float(rng.normal(0.42, 0.015) * height),
        rib_gap=float(rng.normal(0.100, 0.004) * height),
        rib_drop=float(rng.uniform(6.5, 10.5)),
        shoulder=float(rng.normal(0, 0.8)),
        clavicle=float(rng.normal(0, 0.7)),
        arm=float(rng.uniform(2.0, 6.0)),
        bend=float(rng.uniform(0.6, 2.2)),
        bone=float(rng.uniform(0.75, 1.2)),
        field=float(np.clip(rng.normal(39.5, 1.8), 36.0, 44.0)),
        tilt=math.radians(rng.normal(0, 1.3)),
        turn=float(rng.normal(0, 0.05)),
        shift=(float(rng.normal(0, 0.5)), float(rng.normal(0, 0.8))),
    )


def smooth_curve(z: Array, at: list[float], values: list[float]) -> Array:
    """Values at heights `at`, joined without corners."""
    grid = np.arange(-20.0, 60.0, 0.25)
    line = np.interp(grid, at, values)
    soft = np.convolve(np.pad(line, 6, mode="edge"), np.ones(13) / 13, mode="valid")
    return np.interp(z, grid, soft).astype(np.float32)


def overlap(first: Interval, second: Interval) -> Array:
    """Length that two intervals share."""
    return np.clip(np.minimum(first[1], second[1]) - np.maximum(first[0], second[0]), 0, None)


def hull(intervals: list[Interval]) -> Interval:
    """The smallest interval around those that are not empty; empty where all are."""
    low, high = (
        np.full_like(intervals[0][0], np.inf),
        np.full_like(intervals[0][0], -np.inf),
    )
    for a, b in intervals:
        there = b - a > 1e-6
        low, high = (
            np.where(there, np.minimum(low, a), low),
            np.where(there, np.maximum(high, b), high),
        )
    empty = high < low
    return np.where(empty, 0, low), np.where(empty, 0, high)
