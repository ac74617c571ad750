"""The one error a user can cause; the command prints its single line and exits with 2."""

from __future__ import annotations


class StudyError(ValueError):
    """Bad input: a study, an option or a results folder that cannot be used."""


def complaint(
    where: str, value: object, problem: str, choices: object = None, nearest: str | None = None
) -> str:
    """One line: where the value stands, the value, what is wrong, what would be right.

    ``where`` is the file and the path of keys, for instance ``a.toml: grid[0].depth``.
    """
    line = f"{where}: {value!r} {problem}"
    if nearest is not None:
        line += f"; did you mean {nearest!r}?"
    if choices is not None:
        listed = choices if isinstance(choices, str) else ", ".join(map(str, choices))  # type: ignore[call-overload]
        line += f" (choices: {listed or 'none'})"
    return line
