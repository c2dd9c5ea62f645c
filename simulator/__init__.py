"""The demo shop's generator: raw extracts in the vendors' formats, and the truth behind them.

`python -m simulator OUT` writes a shop; `docs/demo_shop.md` says what is in it.
"""

from simulator.demo import generate

__all__ = ["generate"]
