"""Records in, evidence out: pure functions from DataFrames to DataFrames.

intervals.py    how sure: Wilson, Clopper-Pearson, Student's t, grouped means
cells.py        which networks belong together, in the order the plan lists them
gradients.py    where gradients vanish or explode, layer by layer
prediction.py   the same beside what mean field theory says of untrained networks
convergence.py  who learns and how fast, under a budget of steps
comparison.py   what one changed factor does, in pairs that share every random draw
bootstrap.py    a whole comparison resampled: entrants, problems, seeds
survival.py     log-rank tests; arrived, diverged or under way
aggregate.py    one number for many problems: the interquartile mean
profiles.py     how often within a factor of the fastest, and the score
improvement.py  how often one beats another, by how much, and how many seeds it takes
ranking.py      rank groups: who can be told apart from whom
sensitivity.py  good regions of a setting, reach of success by depth, memory
budget.py       what more trials of tuning would bring
overfitting.py  the gap between training and test data

`runs` may be any selection of a study's runs; `layers` may hold rows of other runs, which are ignored.
Rows come in the order in which their groups first appear in `runs`, then by layer or step: never sorted
by name, so depth 2, 5, 10 stays so. An empty selection gives an empty table with the same columns.
"""
