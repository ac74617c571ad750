"""The short answer to a grid's question, read off its records."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sim.analysis import convergence, gradients, overfitting
from sim.views import wording
from sim.views.effects import divergence_told, effects, pairs_told
from sim.views.figures_gradients import STRUCTURE
from sim.views.figures_success import goal, has_target
from sim.views.records import GridRecords
from sim.views.rows import highest, lowest, rows_by
from sim.views.tuning import tuned

SHAPING = {"activation", "initializer", "width", "bias"}
"""Factors that make a grid one about gradients, unless training is what it varies."""
MAIN = ("activation", "initializer", "normalizer", "residual", "optimizer", "depth", "samples", "steps")
BESIDE = ("activation", "initializer", "normalizer", "residual")
"""Factors that decide how deep an optimizer trains."""


def answer(grid: GridRecords) -> str:
    """Up to three sentences: where gradients go, what helps, what overfits, who learns."""
    said = [tell(grid) for tell in (_optimizers, _gradients, _treatments, _gap, _more_steps, _learners)]
    return " ".join([sentence for sentence in said if sentence][:3])


def _treatments(grid: GridRecords) -> str:
    """The treatment that changes the first quantity most, and the one that changes divergence most."""
    if not grid.treatments or (frame := effects(grid)).empty:
        return ""
    told = _most_helpful(frame), divergence_told(frame)
    said = "; ".join(filter(None, told))
    return f"{said[0].upper()}{said[1:]}." if said else ""


def _most_helpful(frame: pd.DataFrame) -> str:
    """The treatment with the best mean change of the first final quantity."""
    main = frame[frame["quantity"].str.startswith("final_") & np.isfinite(frame["mean_difference"])]
    main = main[main["quantity"] == main["quantity"].iloc[0]] if len(main) else main
    if main.empty:
        return ""
    gain = main["mean_difference"] * (1 if main["quantity"].iloc[0].endswith("accuracy") else -1)
    best = highest(main.assign(gain=gain), "gain")
    what = str(best["quantity"]).removeprefix("final_").replace("_", " ")
    name = wording.treatment(str(best["factor"]), best["level"])
    if gain.max() <= 0:
        return f"no treatment improves {what} on average"
    clear = best["mean_difference_low"] > 0 or best["mean_difference_high"] < 0
    sure = "" if clear else ", a 95 % interval that holds 0"
    return (
        f"{name} helps most: {what} {wording.number(best['baseline_mean'])} → "
        f"{wording.number(best['level_mean'])} over {pairs_told(best)}{sure}"
    )


def _gradients(grid: GridRecords) -> str:
    """Where the gradient vanishes and where it explodes."""
    factors = [factor for factor in STRUCTURE if factor in grid.varying]
    about = "initializer" in factors or (
        SHAPING & set(factors) and not {"optimizer", "steps"} & set(grid.varying)
    )
    if not about or grid.deepest < 2 or not grid.measured("log10_grad_pre"):
        return ""
    frame = gradients.per_layer_factor(grid.runs, grid.layers, factors)
    known = frame[np.isfinite(frame["factor"])]
    if known.empty:
        return "Every hidden gradient is zero or not finite before training."
    low, high = lowest(known, "factor"), highest(known, "factor")
    return (
        f"Before training a layer multiplies the gradient's norm by {wording.number(low['factor'])} at "
        f"worst ({wording.cell(low, factors)}) and by {wording.number(high['factor'])} at most "
        f"({wording.cell(high, factors)}){_zeros(frame, factors)}."
    )


def _zeros(frame: pd.DataFrame, factors: list[str]) -> str:
    """Where every network has a gradient of exactly zero: "; zeros: exactly zero"."""
    if not (frame["zero_share"] > 0).any():
        return ""
    least = {f: frame.groupby(f, sort=False)["zero_share"].min() for f in factors}
    named = next(((f, share[share == 1].index) for f, share in least.items() if (share == 1).any()), None)
    rest = frame[~frame[named[0]].isin(named[1])] if named else frame
    told = (
        [f"{wording.enumeration(wording.named(named[0], v) for v in named[1])}: exactly zero"]
        if named
        else []
    )
    some = int((rest["zero_share"] > 0).sum())
    if some:
        told.append(
            f"some networks of {wording.count(some, 'other cell' if named else 'cell')}: exactly zero"
        )
    return f"; {'; '.join(told)}"


def _learners(grid: GridRecords) -> str:
    """How many reach the target, and which level of the factor that decides most does best and worst."""
    if not has_target(grid):
        return ""
    chosen = tuned(grid)
    target = str(grid.target)
    whole = convergence.success(chosen.runs, [], target).iloc[0]
    networks = wording.count(int(whole["networks"]), "network")
    said = f"{wording.percent(whole['share'])} of {networks} reach {goal(grid.targets[0])}"
    spread = {f: convergence.success(chosen.runs, [f], target) for f in MAIN if f in chosen.varying}
    wide = {f: frame["share"].max() - frame["share"].min() for f, frame in spread.items()}
    if not wide or max(wide.values()) == 0:
        return f"{said}."
    factor = max(wide, key=lambda name: wide[name])
    frame = spread[factor]
    best, worst = highest(frame, "share"), lowest(frame, "share")
    return (
        f"{said}; {wording.cell(best, [factor])} does best ({wording.percent(best['share'])}), "
        f"{wording.cell(worst, [factor])} worst ({wording.percent(worst['share'])})."
    )


def _more_steps(grid: GridRecords) -> str:
    """What the largest number of steps brings over the smallest."""
    if not has_target(grid) or "steps" not in grid.varying:
        return ""
    frame = convergence.success(tuned(grid).runs, ["steps"], str(grid.target)).sort_values("steps")
    few, many = lowest(frame, "steps"), highest(frame, "steps")
    return (
        f"With {wording.setting(few['steps'])} steps {wording.percent(few['share'])} of the networks reach "
        f"the target, with {wording.setting(many['steps'])} {wording.percent(many['share'])}."
    )


def _optimizers(grid: GridRecords) -> str:
    """How deep each optimizer trains, for each level of the other factor that decides most."""
    if not has_target(grid) or not {"optimizer", "depth"} <= set(grid.varying):
        return ""
    chosen, target = tuned(grid).runs, str(grid.target)
    wide = {f: np.ptp(convergence.success(chosen, [f], target)["share"]) for f in BESIDE if f in grid.varying}
    other = [max(wide, key=lambda name: wide[name])] if wide else []
    frame = convergence.success(chosen, [*other, "optimizer", "depth"], target)
    if not (frame["share"] >= 0.5).any():
        return "With no optimizer half of the networks of any depth reach the target."
    told = "; ".join(
        " ".join(
            filter(None, [_depths(rows), f"({wording.cell(lowest(rows, 'depth'), other)})" * len(other)])
        )
        for rows in rows_by(frame, other).values()
    )
    return f"Half of the networks or more reach the target {told}."


def _depths(frame: pd.DataFrame) -> str:
    """The largest depth that half of the networks master with each optimizer, the deepest first."""
    half = frame[frame["share"] >= 0.5].groupby("optimizer", sort=False)["depth"].max()
    depths = {name: half.get(name) for name in dict.fromkeys(frame["optimizer"])}
    reached = sorted({depth for depth in depths.values() if depth is not None}, reverse=True)
    if not reached:
        return "at no depth with any optimizer"
    told = (
        f"depth {depth} with {wording.enumeration(n for n, d in depths.items() if d == depth)}"
        for depth in reached
    )
    return f"down to {', '.join(told)}"


def _gap(grid: GridRecords) -> str:
    """How the train/test gap goes with the number of training rows."""
    if "samples" not in grid.varying or not grid.measured("final_test_loss", "final_train_loss"):
        return ""
    frame: pd.DataFrame = overfitting.gap(grid.runs, ["samples"]).sort_values("samples")
    metric = "accuracy" if frame["accuracy_gap"].notna().any() else "loss"
    few, many = frame.iloc[0], frame.iloc[-1]
    return (
        f"With {wording.number(few['samples'])} training rows the gap in {metric} is "
        f"{wording.number(few[f'{metric}_gap'])}, with {wording.number(many['samples'])} it is "
        f"{wording.number(many[f'{metric}_gap'])}."
    )
