"""One picture per model: ROC, precision, lift, calibration, gain in money, and what its drivers are worth."""

import io
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ml.backtest import Curve

SHOWN = (
    ("roc", "ROC", "others taken along", "found"),
    ("precision", "Precision and recall", "found", "right among the taken"),
    ("lift", "Lift: from the highest score down", "share of customers", "share of the outcome"),
    ("calibration", "Calibration by tenths", "predicted", "came true"),
    ("money", "Gain in money", "share of customers", "share of the revenue"),
)
INK, MAIN, QUIET = "#1c2421", "#1d6b59", "#9aa49f"
MOST_DRIVERS = 8


def draw_performance(title: str, curves: Mapping[str, Curve], drivers: Mapping[str, float]) -> bytes:
    """A PNG of the curves that there are and the drivers by importance. The same numbers are the same bytes."""
    shown = [entry for entry in SHOWN if entry[0] in curves]
    panels = len(shown) + bool(drivers)
    columns = min(3, panels)
    rows = -(-panels // columns)
    # Drawn without pyplot: no window, no state that outlives the call.
    figure = Figure(figsize=(3.6 * columns, 3.1 * rows), dpi=80)
    # Room for the labels, stated: to find it, matplotlib would draw everything twice.
    figure.subplots_adjust(left=0.2 / columns, right=0.98, top=1 - 0.24 / rows, bottom=0.18 / rows, wspace=0.36, hspace=0.5)
    figure.suptitle(title, color=INK, fontsize=11)
    axes = [figure.add_subplot(rows, columns, place + 1) for place in range(panels)]
    for (name, heading, across, up), plot in zip(shown, axes, strict=False):
        draw_curve(plot, np.array(curves[name]), name)
        plot.set_title(heading, fontsize=9, color=INK)
        plot.set_xlabel(across, fontsize=8)
        plot.set_ylabel(up, fontsize=8)
    if drivers:
        draw_drivers(axes[-1], drivers)
    for plot in axes:
        plot.tick_params(labelsize=7)
        plot.spines[["top", "right"]].set_visible(False)
    content = io.BytesIO()
    figure.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()


def draw_curve(plot: Axes, points: np.ndarray, name: str) -> None:
    end = max(1.0, float(points.max()))
    if name != "precision":
        plot.plot([0, end], [0, end], color=QUIET, linewidth=0.8, linestyle=(0, (4, 3)))
    plot.plot(points[:, 0], points[:, 1], color=MAIN, linewidth=1.6, marker="o" if name == "calibration" else None, markersize=3)
    plot.set_ylim(bottom=0)
    # Most of the time goes into ticks.
    plot.locator_params(nbins=4)


def draw_drivers(plot: Axes, drivers: Mapping[str, float]) -> None:
    strongest = sorted(drivers.items(), key=lambda entry: (entry[1], entry[0]))[-MOST_DRIVERS:]
    plot.barh([name for name, _ in strongest], [value for _, value in strongest], color=MAIN)
    plot.set_title("What the order loses without", fontsize=9, color=INK)
