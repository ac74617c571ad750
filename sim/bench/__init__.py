"""How fast it is, measured against what the processor can do and what others do on it.

points.py     the reference points: what is trained, and how many operations that is
material.py   their data, first weights and orders of samples, the same for every contestant
work.py       a point as calls of the kernels, carried out by a team of threads
peak.py       the multiply-add peak of the processor; reference.py: the same loop compiled from C
bandwidth.py  how fast the caches and the memory deliver
measure.py    every measurement stands between two of the peak; medians of several
split.py      what a step's time goes to, and what statistics cost
startup.py    what is paid before training: imports, help, compiling; and memory
forced.py     the same on the code for AVX2 and for any x86-64
scaling.py    more threads, networks, layers, units
nightly/      the same small work every night, compared with all nights before
peers/        the same work by other libraries, each in a process of its own
report.py     all of it as one document; show.py: as tables; figures.py: as figures
"""
