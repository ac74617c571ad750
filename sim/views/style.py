"""How everything looks: page size, fonts, colour-blind-safe colours, and the names readers see."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

PAGE_WIDTH = 17 / 2.54
"""Width of every figure in inches: it is placed 17 cm wide, so its fonts are the sizes given here."""
DPI = 150
FONT_SIZE = 8.0
LETTER = 0.068
"""Width of an average letter of that size in inches."""
SEQUENTIAL, DIVERGING = "viridis", "vlag"
MARKERS = "osD^vPX<>*"
HUES = 10
"""More colours than this cannot be told apart."""
MUTED = "#6b6b6b"

LABELS = {
    "dataset": "data set", "samples": "training rows", "scaling": "input scaling", "depth": "hidden layers",
    "width": "width", "activation": "activation", "initializer": "initializer", "bias": "bias",
    "normalizer": "normalizer", "residual": "residual", "dropout": "dropout", "loss": "loss",
    "optimizer": "optimizer", "lr": "learning rate", "weight_decay": "weight decay", "clipping": "clipping",
    "schedule": "schedule", "decay": "kind of decay",
    "batch_size": "batch size", "steps": "steps", "precision": "precision", "condition": "condition",
    "log10_grad_pre": "log₁₀ ‖∂L/∂h‖", "log10_grad_weight": "log₁₀ ‖∂L/∂W‖",
    "train_loss": "train loss", "test_loss": "test loss",
    "train_accuracy": "train accuracy", "test_accuracy": "test accuracy",
}  # fmt: skip
UNITS = {
    "log10_grad_pre": "gradient norm, log₁₀ ‖∂L/∂h‖", "step": "training step", "layer": "layer (last: "
    "output)",
    "samples": "training rows", "depth": "depth (hidden layers)", "width": "width (units)",
    "saturated": "saturated activations (%)", "success": "networks that reach the target (%)",
}  # fmt: skip


def label(name: str) -> str:
    """The reader's name of a column or factor."""
    return LABELS.get(name, name.replace("_", " "))


def axis_label(name: str) -> str:
    """The name with its unit, as it stands beside an axis."""
    return UNITS.get(name, label(name))


@lru_cache(maxsize=1)
def settings() -> dict[str, Any]:
    """Matplotlib's settings: seaborn's ticks theme with fixed fonts, and nothing that changes SVG bytes."""
    import seaborn

    return {
        **seaborn.axes_style("ticks"),
        **seaborn.plotting_context("paper", rc=dict.fromkeys(_SIZED_FONTS, FONT_SIZE)),
        "font.family": ["sans-serif"],
        "font.sans-serif": ["DejaVu Sans"],  # it comes with Matplotlib: the same on every machine
        "svg.hashsalt": "manynets",
        "svg.fonttype": "path",
        "path.simplify": True,
        "figure.dpi": DPI,
        "savefig.dpi": DPI,
        "axes.linewidth": 0.6,
        "axes.titlelocation": "left",
        "axes.titley": 1.0,  # fixed: otherwise every tick label is measured to find a free place
        "axes.titlepad": 3.0,
        "axes.labelpad": 2.5,
        "axes.unicode_minus": True,
        "lines.linewidth": 1.1,
        "lines.markersize": 2.8,
        "hatch.linewidth": 0.5,
        "xtick.major.size": 2.5,
        "ytick.major.size": 2.5,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "xtick.minor.size": 1.5,
        "ytick.minor.size": 1.5,
        "xtick.minor.width": 0.5,
        "ytick.minor.width": 0.5,
        "xtick.major.pad": 2.0,
        "ytick.major.pad": 2.0,
        "legend.frameon": False,
    }


_SIZED_FONTS = (
    "font.size", "axes.labelsize", "axes.titlesize", "xtick.labelsize", "ytick.labelsize", "legend.fontsize",
    "legend.title_fontsize",
)  # fmt: skip


def colours(levels: Sequence[Any]) -> list[tuple[float, float, float]]:
    """A colour for each level: viridis where levels are numbers in order, seaborn's colorblind otherwise."""
    import seaborn

    if len(levels) > 1 and all(
        isinstance(level, (int, float)) and not isinstance(level, bool) for level in levels
    ):
        return [
            tuple(colour[:3]) for colour in seaborn.color_palette("viridis", len(levels) + 1)[: len(levels)]
        ]
    return list(seaborn.color_palette("colorblind", max(len(levels), 1)))


def verdict_colours() -> tuple[Any, Any, Any]:
    """Clearly better, clearly worse, neither: blue and orange of seaborn's colorblind palette, and grey."""
    import seaborn

    palette = seaborn.color_palette("colorblind")
    return palette[0], palette[3], MUTED


def difference_label(quantity: str) -> str:
    """What a paired difference is a difference of."""
    if quantity.startswith("steps_to_"):
        return f"steps to {quantity.removeprefix('steps_to_')}"
    if quantity == "log10_gradient_ratio":
        return "log₁₀ gradient, first / last layer"
    return label(quantity.removeprefix("final_"))
