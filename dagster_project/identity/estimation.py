"""Estimates how often each comparison level occurs among matches (m) and among other pairs (u).

Expectation maximisation on counts of comparison patterns (Fellegi and Sunter 1969; Winkler 2000). Two things differ from
common practice: u is estimated on random pairs *without* the matches among them (in a small file with many duplicates a
random pair that agrees on the e-mail nearly always is a match), and levels never seen get a small prior count instead of
probability zero. Everything is computed from integer counts in a fixed order, so the same records give the same model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MISSING = -1
ROUNDS = 60
# Prior counts in pairs: for m split over the levels by `_prior_m`, for u one on every level; for u among those who share a name or a block's key, as
# the general u has them.
PRIOR_M = 4.0
PRIOR_U = 1.0
PRIOR_NAMESAKES = 20.0
PRIOR_BLOCK = 100.0


@dataclass(frozen=True)
class Patterns:
    """Distinct comparison patterns of a set of pairs: `levels` (patterns x comparisons, MISSING or 0 = different up to best), `counts`."""

    levels: NDArray[np.int64]
    counts: NDArray[np.float64]


@dataclass(frozen=True)
class Block:
    """Pairs that agree on a blocking key.

    `judged` marks the comparisons that tell matches from others here (never those the key decides), `estimated` those whose m is
    counted here.
    """

    patterns: Patterns
    estimated: NDArray[np.bool_]
    judged: NDArray[np.bool_]


@dataclass(frozen=True)
class Parameters:
    """Per comparison the probabilities of its levels (0 = different, up to best) among matches and among other pairs."""

    m: list[NDArray[np.float64]]
    u: list[NDArray[np.float64]]


def _prior_m(levels: int) -> NDArray[np.float64]:
    """Most agree exactly, some nearly, few not at all."""
    shape = np.full(levels, 0.3 / max(levels - 2, 1))
    shape[0], shape[-1] = 0.05, 0.65
    return np.asarray(shape / shape.sum(), dtype=np.float64)


def _log_odds(patterns: Patterns, parameters: Parameters, use: NDArray[np.bool_]) -> NDArray[np.float64]:
    total = np.zeros(len(patterns.counts))
    for index in np.flatnonzero(use):
        level = patterns.levels[:, index]
        known = level != MISSING
        ratio = np.log(parameters.m[index]) - np.log(parameters.u[index])
        total[known] += ratio[level[known]]
    return total


def _shares(patterns: Patterns, weights: NDArray[np.float64], index: int, levels: int) -> NDArray[np.float64]:
    level = patterns.levels[:, index]
    known = level != MISSING
    return np.asarray(np.bincount(level[known], weights=weights[known], minlength=levels), dtype=np.float64)


def match_share(patterns: Patterns, parameters: Parameters, start: float, use: NDArray[np.bool_] | None = None) -> float:
    """The share of matches among the pairs, by EM with m and u fixed, from the comparisons in `use` (all when None)."""
    odds = _log_odds(patterns, parameters, np.ones(len(parameters.m), dtype=bool) if use is None else use)
    share = start
    for _ in range(ROUNDS):
        responsibility = 1 / (1 + np.exp(-np.clip(odds + np.log(share / (1 - share)), -500, 500)))
        share = float(np.clip((responsibility * patterns.counts).sum() / patterns.counts.sum(), 1e-9, 1 - 1e-9))
    return share


def _at_most(m: NDArray[np.float64], level: int, ceiling: float) -> NDArray[np.float64]:
    """m with at most `ceiling` on a level, the rest spread in proportion."""
    if m[level] <= ceiling:
        return m
    lowered = np.asarray(m * (1 - ceiling) / (1 - m[level]), dtype=np.float64)
    lowered[level] = ceiling
    return lowered


def kindred_u(block: Block, parameters: Parameters, index: int) -> tuple[NDArray[np.float64], float]:
    """u of comparison `index` among pairs that share a name and are two people, and the share of matches among those pairs, by EM.

    Mailboxes are made of names: two John Smiths have alike ones far more often than two strangers. With few such pairs to see, the
    result stays near the general u.
    """
    u = parameters.u[index]
    share = 0.5
    for _ in range(ROUNDS):
        current = Parameters(parameters.m, [u if number == index else each for number, each in enumerate(parameters.u)])
        odds = _log_odds(block.patterns, current, block.estimated) + np.log(share / (1 - share))
        weights = block.patterns.counts / (1 + np.exp(-np.clip(odds, -500, 500)))
        share = float(np.clip(weights.sum() / max(block.patterns.counts.sum(), 1.0), 1e-4, 0.999))
        u = _u_of_others(block.patterns, weights, index, parameters.u[index], PRIOR_NAMESAKES)
    return _capped(u, parameters.m[index]), share


def estimate(random: Patterns, blocks: list[Block], sizes: list[int], ceilings: dict[tuple[int, int], float] | None = None) -> Parameters:
    """Estimate m and u of comparisons with `sizes` levels each from random pairs and from blocks of likely matches.

    m comes from the blocks (each leaves out the comparisons its key decides), u from the random pairs less the matches among
    them, in turns until settled. `ceilings` bounds how often a match has a level of a comparison (their numbers, level 0 = different).
    """
    m = [_prior_m(size) for size in sizes]
    u = [_shares(random, random.counts, index, size) + PRIOR_U for index, size in enumerate(sizes)]
    u = [shares / shares.sum() for shares in u]
    every = np.ones(len(sizes), dtype=bool)
    block_share = [0.2] * len(blocks)
    # Others who agree on a key agree on more than strangers do: namesakes on mailboxes and countries, families on names and streets.
    block_u = [u] * len(blocks)
    random_share = 1e-4
    for _ in range(ROUNDS):
        matched = [PRIOR_M * _prior_m(size) for size in sizes]
        for number, block in enumerate(blocks):
            odds = _log_odds(block.patterns, Parameters(m, block_u[number]), block.judged)
            odds += np.log(block_share[number] / (1 - block_share[number]))
            weights = block.patterns.counts / (1 + np.exp(-np.clip(odds, -500, 500)))
            block_share[number] = float(np.clip(weights.sum() / max(block.patterns.counts.sum(), 1.0), 1e-4, 0.999))
            block_u[number] = [_u_of_others(block.patterns, weights, index, general, PRIOR_BLOCK) for index, general in enumerate(u)]
            for index in np.flatnonzero(block.estimated).tolist():
                matched[index] += _shares(block.patterns, weights, index, sizes[index])
        m = [shares / shares.sum() for shares in matched]
        for (index, level), ceiling in (ceilings or {}).items():
            m[index] = _at_most(m[index], level, ceiling)
        odds = _log_odds(random, Parameters(m, u), every) + np.log(random_share / (1 - random_share))
        weights = random.counts / (1 + np.exp(-np.clip(odds, -500, 500)))
        random_share = float(np.clip(weights.sum() / max(random.counts.sum(), 1.0), 1e-9, 0.5))
        others = random.counts - weights
        u = [_shares(random, others, index, size) + PRIOR_U for index, size in enumerate(sizes)]
        u = [shares / shares.sum() for shares in u]
    return Parameters(m, [_capped(rare, often) for rare, often in zip(u, m, strict=True)])


def _u_of_others(
    patterns: Patterns, weights: NDArray[np.float64], index: int, general: NDArray[np.float64], prior: float
) -> NDArray[np.float64]:
    """u of a comparison among those pairs of a block that are no matches; with few beside `prior` it stays near the general one."""
    shares = _shares(patterns, patterns.counts - weights, index, len(general)) + prior * general
    return np.asarray(shares / shares.sum(), dtype=np.float64)


def _capped(u: NDArray[np.float64], m: NDArray[np.float64]) -> NDArray[np.float64]:
    """u such that no level is stronger evidence than full agreement, which a level hardly ever seen could otherwise be."""
    raised = np.maximum(u, m * u[-1] / m[-1])
    return np.asarray(raised / raised.sum(), dtype=np.float64)
