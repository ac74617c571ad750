"""The same work by other libraries: what users would use instead.

A peer is one file with one decorated function (`registry.py` says what it is given and
returns). Its library is imported inside that function, so that only who runs it needs it.
Every peer runs in processes of its own (`__main__.py`), each with its own environment;
`contest.py` starts them, compiled and warm, and lets them take turns with the kernels.
"""
