"""Records in, files out: tables, figures and the report that tells them.

records.py              what a study left behind, and the part of it that belongs to one grid
registry.py             a table or a figure is one decorated function; `applicable` asks the data which fit
arrangement.py          which factor becomes a colour, a column of panels, a row; which are held fixed
tuning.py               a learning rate chosen on half of the replicates, shown on the other half
style.py, wording.py    colours, sizes and labels; numbers and names in sentences
drawing.py              panels, legends, bands, heatmaps
saving.py               the same bytes for the same figure, written whole or not at all
tables.py, figures_*.py the tables and figures themselves
answers.py              the sentence that answers a grid's question
report.py               a results folder -> tables/*.csv, figures/*.png and *.svg, report.html
"""
