"""The numbers behind every figure of a comparison, and what no figure shows."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sim.analysis.bootstrap import scores
from sim.analysis.comparison import smallest_p
from sim.analysis.convergence import kaplan_meier, success, time_to_target
from sim.analysis.improvement import paired_differences, seeds_needed
from sim.analysis.profiles import R_MAX, profile_scores
from sim.analysis.survival import logrank, outcomes
from sim.views import wording
from sim.views.comparison import TARGET, ComparisonRecords, comparison_table
from sim.views.figures_comparison_times import quartiles
from sim.views.figures_comparison_tuning import LEARNED, budget_curves, rates, several_rates
from sim.views.figures_learning import curve_table
from sim.views.registry import Sheet
from sim.views.rows import highest

SURE = 0.05
BY = ["problem", "entrant"]


def several(records: ComparisonRecords) -> bool:
    """True where there is anyone to compare with."""
    return len(records.entrants) > 1


@comparison_table(title="Leaderboard", chapter="ranking")
def leaderboard(records: ComparisonRecords) -> Sheet:
    """Places, rank groups, means and interquartile means, success, divergence and scores."""
    shares = success(records.runs, ["entrant"], TARGET).drop(columns=["networks"])
    frame = records.board.merge(shares, on="entrant").merge(profile_scores(records.times), on="entrant")
    groups = int(frame["group"].max())
    return Sheet(
        frame,
        f"{wording.count(groups, 'rank group')} of {wording.count(len(frame), 'optimizer')}. mean and "
        "iqm: mean and interquartile mean of min(steps, budget)/budget over all problems and seeds; behind: "
        "paired difference of means to the leader "
        "of the group (of the group above for a leader), p after Holm over all pairs. "
        f"{records.censored()}",
    )


@comparison_table(title="Performance profiles", chapter="ranking")
def profiles(records: ComparisonRecords) -> Sheet:
    """Share of tasks within each multiple of the fastest."""
    frame = records.profiles
    first = frame[frame["factor"] == 1.0]
    best = first.iloc[int(first["share"].argmax())]
    return Sheet(
        frame,
        f"{best['entrant']} is fastest most often, on {wording.percent(best['share'])} of the tasks "
        f"(a task: one seed of one problem); factors run to {R_MAX:g}.",
    )


@comparison_table(title="Probability of improvement", chapter="ranking", applies=several)
def win_matrix(records: ComparisonRecords) -> Sheet:
    """Every ordered pair of optimizers."""
    frame = records.wins
    told = int(((frame["probability_low"] > 0.5) | (frame["probability_high"] < 0.5)).sum() / 2)
    return Sheet(
        frame,
        f"{told} of {wording.count(len(frame) // 2, 'pair')} are told apart (95 % interval clear of ½). To "
        "see "
        f"a probability of 0.75 on a single problem takes {seeds_needed(0.75)} seeds (Noether); there are "
        f"{records.seeds}.",
    )


@comparison_table(title="Steps to the target", chapter="problems")
def times(records: ComparisonRecords) -> Sheet:
    """Success, medians, restricted means and expected running times on every problem."""
    shares = success(records.runs, BY, TARGET)[[*BY, "share", "share_low", "share_high", "diverged"]]
    frame = time_to_target(records.runs, BY, TARGET).merge(shares, on=BY)
    known = int(np.isfinite(frame["median"]).sum())
    return Sheet(
        frame,
        f"Half of the seeds arrive in {known} of {len(frame)} pairs of problem and optimizer; elsewhere the "
        "median is beyond the budget. Expected running time: steps one success costs with restarts.",
    )


@comparison_table(title="Kaplan-Meier curves", chapter="problems")
def arrivals(records: ComparisonRecords) -> Sheet:
    """The curves of every problem and optimizer."""
    frame = kaplan_meier(records.runs, BY, TARGET)
    return Sheet(frame, f"Share that has arrived by each step, 95 % log-log intervals. {records.censored()}")


@comparison_table(title="Arrived, diverged, under way", chapter="problems")
def fates(records: ComparisonRecords) -> Sheet:
    """Divergence as an outcome of its own, competing with arrival."""
    frame = outcomes(records.runs, BY, TARGET)
    ends = frame.groupby(BY, sort=False).last().reset_index()
    worst = highest(ends, "diverged")
    told = (
        f"Divergence takes most from {worst['entrant']} on {worst['problem']}: "
        f"{wording.percent(worst['diverged'])} of its runs."
        if worst["diverged"] > 0
        else "No run diverges before it arrives."
    )
    return Sheet(frame, f"Cumulative incidence by step. {told}")


@comparison_table(
    title="Log-rank tests", chapter="problems", applies=lambda records: len(records.entrants) > 1
)
def log_rank(records: ComparisonRecords) -> Sheet:
    """Do two optimizers' curves differ? All pairs on every problem."""
    frame = logrank(records.runs, TARGET, "entrant", ["problem"])
    clear = int((frame["p_holm"] < SURE).sum())
    return Sheet(
        frame,
        f"{clear:,} of {wording.count(len(frame), 'pair')} of curves differ after Holm's correction within "
        "each "
        "problem (5 %). statistic > 0: the first arrives sooner.",
    )


@comparison_table(title="Paired differences", chapter="problems", applies=several)
def paired(records: ComparisonRecords) -> Sheet:
    """Every optimizer against Adam, seed by seed, in steps."""
    baseline = "adam" if "adam" in records.entrants else records.entrants[0]
    runs = records.runs.assign(time=records.runs["steps_to_target"].fillna(records.runs["steps"]))
    frame = paired_differences(scores(runs, "time", "entrant", "problem"), baseline)
    clear = frame[frame["p_holm"] < SURE]
    least = float(smallest_p([records.seeds])[0]) * len(frame)
    few = (
        f" With {records.seeds} seeds no row among {len(frame)} can pass Holm's correction."
        if least > SURE
        else ""
    )
    return Sheet(
        frame,
        f"Against {baseline}: min(steps, budget) seed by seed, Hodges and Lehmann's estimate with its "
        "interval, "
        f"Wilcoxon's p, Holm over all rows. {int((clear['difference'] < 0).sum())} rows are clearly faster, "
        f"{int((clear['difference'] > 0).sum())} clearly slower, of {len(frame)}.{few}",
    )


@comparison_table(title="Learning curves", chapter="problems", needs=("step",))
def curves(records: ComparisonRecords) -> Sheet:
    """Median and quartiles of the problem's metric at each checkpoint."""
    tables = []
    for (problem, entrant), runs in records.runs.groupby(BY, sort=False):
        target = records.targets.get(str(problem))
        metric = target.metric if target else "train_loss"
        table = quartiles(curve_table(runs, records.curves, metric), metric)
        tables.append(table.assign(problem=str(problem), entrant=str(entrant), metric=metric))
    frame = pd.concat(tables, ignore_index=True)[[*BY, "metric", "step", "runs", "median", "low", "high"]]
    frame = frame.rename(columns={"low": "median_low", "high": "median_high"})
    return Sheet(
        frame, "Median with quartiles over the report seeds; empty where a diverged run stands there."
    )


@comparison_table(title="Learning-rate sensitivity", chapter="tuning", applies=several_rates)
def rate_sensitivity(records: ComparisonRecords) -> Sheet:
    """Final metric at every learning rate tried."""
    table, _ = rates(records)
    return Sheet(
        table, "Median and quartiles of the final metric as a loss over the tuning seeds; inf: diverged."
    )


@comparison_table(title="Good learning rates", chapter="tuning", applies=several_rates)
def good_rates(records: ComparisonRecords) -> Sheet:
    """Where the good region lies and how wide it is."""
    _, regions = rates(records)
    regions = regions.rename(columns={"low": "good_from", "high": "good_to"})
    edge = int(regions["open"].sum())
    return Sheet(
        regions,
        f"The median width is {wording.number(float(regions['decades'].median()), 2)} decades; in {edge} of "
        f"{len(regions)} pairs of problem and optimizer the region reaches the edge of what was tried. "
        f"threshold: the largest good loss, never above {LEARNED:g} of the untrained one; a pair without a "
        "width stays above that at every rate.",
    )


@comparison_table(
    title="What tuning chose", chapter="tuning", applies=lambda records: not records.chosen.empty
)
def settings(records: ComparisonRecords) -> Sheet:
    """The best setting of every optimizer on every problem, and whether it stands at an edge."""
    frame = records.chosen
    edge = frame[frame["edge"] != ""]
    return Sheet(
        frame,
        f"{len(edge)} of {len(frame)} best settings still stand at an edge of what was tried, so a better "
        "one may "
        f"lie beyond; {int((frame['trials'] > frame['trials'].min()).sum())} searches were extended.",
    )


@comparison_table(
    title="What more tuning brings", chapter="tuning",
    applies=lambda records: several_rates(records) and "spent" in records.trials,
)  # fmt: skip
def tuning_budget(records: ComparisonRecords) -> Sheet:
    """Expected and median best of n trials on every problem."""
    frame = budget_curves(records)
    rows = wording.count(len(frame), "row")
    missing = {side: int(frame[f"median_{side}"].isna().sum()) for side in ("low", "high")}
    empty = (
        " Empty: a bound that the trials are too few to give, for it may lie beyond all of them; a lower one "
        "takes 5.3 times as many trials as the budget, an upper one six. Of "
        f"{rows} {missing['low']:,} have no lower and {missing['high']:,} no upper bound."
    )
    return Sheet(
        frame,
        "best: expected best of n trials (of: how many there are) in share of the budget spent, 1 is never; "
        "median: of the best of n, with its exact 95 % interval." + empty * any(missing.values()),
    )
