"""Records in, files out: tables, figures and the report that tells them.

records.py      what a study left behind, and the part of it that belongs to one grid
registry.py     a table or a figure is one decorated function; `applicable` asks the data which fit
arrangement.py  which factor becomes a colour, a column of panels, a row; which are held fixed
tuning.py       a learning rate chosen on half of the replicates, shown on the other half
effects.py      what each treatment changes, in pairs
rows.py         rows of a cell, rows with the smallest and the largest value
style.py        colours, sizes and the names readers see; wording.py: numbers and cells in sentences
layout.py       panels, titles and legends in inches; drawing.py: lines and bands in them; heatmaps.py
tables.py, figures_*.py the tables and figures themselves; answers.py: the answer to a grid's question
reading.py      tables rounded for the page; saving.py: the same bytes for the same figure
processes.py    many figures at once; aside.py: the report of a run, by a process that starts with it
report.py       `build(folder)`: records -> tables/*.csv, figures/*.png and *.svg, report.html
"""
