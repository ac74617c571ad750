"""The document as tables on a terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table


def spread(found: dict[str, float], scale: float = 1.0, digits: int = 1) -> str:
    """The median, the smallest and the largest in brackets."""
    low, middle, high = (f"{found[key] * scale:.{digits}f}" for key in ("minimum", "median", "maximum"))
    return f"{middle} ({low}–{high})"


def rate(number: float) -> str:
    """Thousands or millions, three figures."""
    for unit, scale in (("M", 1e6), ("k", 1e3)):
        if number >= scale:
            return f"{number / scale:.3g} {unit}"
    return f"{number:.3g}"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for number, name in enumerate(columns):
        table.add_column(name, justify="right" if number else "left")
    return table


def _peaks(report: dict[str, Any]) -> Table:
    names = ("one core", "all cores, GFLOP/s", "clock, GHz", "multiply-adds a cycle", "of the C loop")
    table = _table("Multiply-add peak", "", *names)
    for precision, found in report["peak"].items():
        ratio = found["share_of_compiled_c"]
        table.add_row(
            precision,
            f"{found['one_core_gflops']:.1f}",
            spread(found["all_cores_gflops"]),
            f"{found['clock_gigahertz']:.2f}",
            f"{found['multiply_adds_a_cycle']:.2f}",
            "no compiler" if ratio is None else f"{ratio:.1%}",
        )
    return table


def _points(report: dict[str, Any]) -> Table:
    names = (
        "network-steps/s", "GFLOP/s", "peak then", "share of peak, %", "while busy, %", "needed, %",
        "statistics, %",
        "accuracy, %",
    )  # fmt: skip
    table = _table(f"Reference points, {report['machine']['threads']} threads", "", *names)
    for point in report["points"]:
        table.add_row(
            point["name"],
            rate(point["network_steps_per_second"]["median"]),
            spread(point["gflops"]),
            f"{point['peak_gflops']['median']:.0f}",
            spread(point["share_of_peak"], 100),
            f"{point['busy_share_of_peak']['median'] * 100:.1f}",
            f"{point['needed_share_of_peak']['median']:.1%}".rstrip("%"),
            spread(point["statistics"]["share_of_training"], 100),
            f"{point['train_accuracy'] * 100:.1f}",
        )
    return table


def _splits(report: dict[str, Any]) -> Table:
    kinds = list(dict.fromkeys(kind for point in report["points"] for kind in point["split_microseconds"]))
    table = _table(
        "A network's step on one core: microseconds saved without …; statistics: on top",
        "",
        *kinds,
    )
    for point in report["points"]:
        found = point["split_microseconds"]
        table.add_row(point["name"], *(f"{found[kind]:.2f}" if kind in found else "" for kind in kinds))
    return table


def _contest(point: dict[str, Any]) -> Table:
    names = (
        "networks",
        "network-steps/s",
        "share of peak, %",
        "while busy, %",
        "manynets is × faster",
        "accuracy, %",
        "agrees",
    )
    table = _table(f"Point {point['name']}: the same work by others", "", *names)
    for row in sorted(point["peers"], key=lambda row: row.get("times_faster", {"median": 1e9})["median"]):
        if "trouble" in row:
            table.add_row(row["title"], row["trouble"])
            continue
        table.add_row(
            row["title"],
            str(row["networks"]),
            rate(row["network_steps_per_second"]["median"]),
            spread(row["share_of_peak"], 100),
            f"{row['busy_share_of_peak']['median'] * 100:.1f}",
            spread(row["times_faster"]),
            f"{row['train_accuracy'] * 100:.2f} (manynets {row['train_accuracy_of_ours'] * 100:.2f})",
            "yes" if row["agrees"] else "NO",
        )
    return table


def _scaling(name: str, rows: list[dict[str, Any]]) -> Table:
    table = _table(f"Scaling: {name}", name, "network-steps/s", "GFLOP/s", "share of peak, %")
    for row in rows:
        table.add_row(
            f"{row[name]:,}",
            rate(row["network_steps_per_second"]["median"]),
            spread(row["gflops"]),
            spread(row["share_of_peak"], 100),
        )
    return table


def paths(report: dict[str, Any]) -> Table:
    """The points on the code for lesser processors."""
    names = ("vector, bits", "peak, GFLOP/s", "point", "GFLOP/s", "share of its peak, %", "while busy, %")
    table = _table("The code for lesser processors", "", *names, "accuracy, %")
    precisions = {point["name"]: point["precision"] for point in report["points"]}
    for path, found in report["paths"].items():
        if "trouble" in found:
            table.add_row(path, found["trouble"])
            continue
        for name, point in found["points"].items():
            table.add_row(
                path,
                str(8 * found["register_bytes"]),
                spread(found["peak_gflops"][precisions[name]]),
                name,
                spread(point["gflops"]),
                spread(point["share_of_peak"], 100),
                f"{point['busy_share_of_peak']['median'] * 100:.1f}",
                f"{point['train_accuracy'] * 100:.1f}",
            )
    return table


def _costs(report: dict[str, Any]) -> Table:
    table = _table("Before training", "", "")
    for name, seconds in report["starts"].items():
        table.add_row(f"{name}, s", spread(seconds, digits=2))
    for point, cold in report["compiling"]["cold_seconds"].items():
        warm = report["compiling"]["warm_seconds"][point]
        table.add_row(f"compiling {point}, s", f"cold {cold:.1f}, warm {warm:.2f}")
    memory = report["memory"]
    for networks, megabytes in zip(memory["networks"], memory["peak_megabytes"], strict=True):
        table.add_row(f"memory of {networks:,} networks of {memory['point']}, MB", f"{megabytes:.0f}")
    return table


def show(report: dict[str, Any], console: Console) -> None:
    """Print all tables the document has numbers for."""
    tables = [_peaks(report), _points(report), _splits(report)]
    tables += [_contest(point) for point in report["points"] if "peers" in point]
    tables += [_scaling(name, rows) for name, rows in report.get("scaling", {}).items() if name != "base"]
    if "paths" in report:
        tables.append(paths(report))
    if "starts" in report:
        tables.append(_costs(report))
    for table in tables:
        console.print(table)
