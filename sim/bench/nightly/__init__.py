"""The same small work every night, compared with all nights before.

figures.py    a figure: one number of a night, what it is, and the numbers it is the middle of
learning.py   what the networks of studies/nightly.toml learn
speed.py      what share of the peak the reference points reach
history.py    all figures of all nights, in one SQLite file
verdict.py    tonight's figures against the history: pure functions
page.py       the trends as a page; sparkline.py: one of them
night.py      one night from measuring to the page; command.py: its command line
"""
