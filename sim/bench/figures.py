"""The document as figures: the roofline, and how the speed scales."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.views import layout, saving, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

KINDS = ("png", "svg")
REACH = 4.0
"""How far the roofline goes beyond the outermost point and the ridges, as a factor."""
SCALED = {
    "threads": "threads", "networks": "networks", "depth": "depth (hidden layers)", "width": "width (units)"
}  # fmt: skip


def _roofs(axis: Axes, left: float, right: float, peaks: dict[Any, float], slopes: dict[str, float]) -> None:
    """A level line for each peak and, below the highest, a rising one for each bandwidth (giga a second)."""
    top = max(peaks.values())
    for dash, slope in slopes.items():
        axis.plot([left, top / slope], [left * slope, top], color=style.MUTED, linestyle=dash, zorder=1)
    for colour, peak in peaks.items():
        axis.plot([peak / max(slopes.values()), right], [peak, peak], color=colour, zorder=1)


def _name_points(axis: Axes, points: list[dict[str, Any]], colours: dict[str, Any]) -> None:
    """Every point with the range of its repeats, named beside it, the higher of near neighbours above."""
    for number, point in enumerate(sorted(points, key=lambda point: point["flops_a_byte"])):
        speed, x = point["gflops"], point["flops_a_byte"]
        reach = [[speed["median"] - speed["minimum"]], [speed["maximum"] - speed["median"]]]
        axis.errorbar(x, speed["median"], reach, color=colours[point["precision"]], marker="o", capsize=2)
        above = number % 2 == 0
        axis.annotate(
            point["name"],
            (x, speed["maximum"] if above else speed["minimum"]),
            (0, 3 if above else -3),
            textcoords="offset points",
            ha="center",
            va="bottom" if above else "top",
        )


def roofline(report: dict[str, Any]) -> Figure:
    """GFLOP/s over operations a byte: the points below the peak of each precision and two bandwidths.

    A point's bytes are what a step would move if no array stayed where it is used
    (`Point.traffic`), so that a point may lie above a roof: what it needs comes from nearer.
    """
    import matplotlib as mpl
    from matplotlib.lines import Line2D

    precisions = list(report["peak"])
    colours = dict(zip(precisions, style.colours(precisions), strict=True))
    roofs = report["bytes_a_second"]
    dashes = dict(zip(roofs, ("-", "--"), strict=True))
    entries = [
        f"{name}, peak {report['peak'][name]['all_cores_gflops']['median']:.0f} GFLOP/s"
        for name in precisions
    ]
    entries += [f"{name}: {speed / 1e9:.0f} GB/s" for name, speed in roofs.items()]
    with mpl.rc_context(style.settings()):
        handles = [Line2D([], [], color=colours[name], marker="o") for name in precisions]
        handles += [Line2D([], [], color=style.MUTED, linestyle=dash) for dash in dashes.values()]
        figure, axis = layout.single_panel(
            entries, "", "operations a byte, every array from afar each time it is used", "GFLOP/s"
        )
        intensities = [point["flops_a_byte"] for point in report["points"]]
        peaks = {colours[name]: report["peak"][name]["all_cores_gflops"]["median"] for name in precisions}
        slopes = {dashes[name]: speed / 1e9 for name, speed in roofs.items()}
        right = max(*intensities, max(peaks.values()) / min(slopes.values()))
        _roofs(axis, min(intensities) / REACH, right * REACH, peaks, slopes)
        _name_points(axis, report["points"], colours)
        axis.set_xscale("log")
        axis.set_yscale("log")
        layout.legend(figure, handles, entries)
    return figure


def _scaled(axis: Axes, rows: list[dict[str, Any]], factor: str) -> None:
    """Share of the peak with the range of its repeats."""
    x = [row[factor] for row in rows]
    low, middle, high = (
        [100 * row["share_of_peak"][key] for row in rows] for key in ("minimum", "median", "maximum")
    )
    axis.plot(x, middle, marker="o", color=style.colours([0])[0])
    axis.fill_between(x, low, high, color=style.colours([0])[0], alpha=0.16, linewidth=0)
    axis.set_xscale("log", base=10 if factor == "networks" else 2)
    if factor != "networks":
        axis.set_xticks(x, [str(value) for value in x])
    axis.set_xlabel(SCALED[factor])
    axis.xaxis.set_label_coords(0.5, -0.13)


def scaling(report: dict[str, Any]) -> Figure:
    """Share of the peak of as many threads over threads, networks, depth and width."""
    import matplotlib as mpl

    with mpl.rc_context(style.settings()):
        figure, axes = layout.Cut(2, 2, 1.6, title_lines=0, below=0.1).axes()
        for axis, factor in zip(axes.flat, SCALED, strict=True):
            _scaled(axis, report["scaling"][factor], factor)
        axes[0, 0].set_ylim(0, 100)
        for row in axes:
            row[0].set_ylabel("share of the peak (%)")
    return figure


def draw(report: dict[str, Any], folder: Path) -> list[Path]:
    """Write the figures the document has numbers for, as PNG and SVG."""
    figures = {"roofline": roofline(report)}
    if "scaling" in report:
        figures["scaling"] = scaling(report)
    paths = []
    for name, figure in figures.items():
        for kind in KINDS:
            paths.append(folder / f"{name}.{kind}")
            saving.write(paths[-1], saving.image(figure, kind))
    return paths
