"""Compiled functions that only kernels call: linked into them, and optimized there.

Numba optimizes what every function links together, and makes machine code of it, on the supposition
that each may be run by itself.  A function of ours that only kernels call never is: its code is
handed on as it was written, inlined or called as its flags say, and each kernel optimizes it once, with
the rest.  That takes a third off the time to compile, and the kernels are as fast.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler


class Linked(JITCodeLibrary):
    """Code of one function and of those it calls, for kernels to link in; no code of the machine's."""

    def finalize(self) -> None:
        """Gather what is called; several callees may have linked the same."""
        for library in dict.fromkeys(self._linking_libraries):
            self._reload_init.update(library._reload_init)
            self._final_module.link_in(library._get_module_for_linking(), preserve=True)
        for function in self._final_module.functions:
            inlined = any(b"alwaysinline" in attribute for attribute in function.attributes)
            if not function.is_declaration and function.linkage == llvm.Linkage.external and not inlined:
                function.add_function_attribute("noinline")
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        """None: there is nothing to run."""
        self._ensure_finalized()
        return 0

    @property
    def codegen(self) -> Linked:
        """Numba asks it to tell running code where the function's objects are (``set_env``)."""
        return self

    def set_env(self, name: str, environment: Any) -> None:
        """Left to the kernel: see ``set_environments``."""


class Linking(Compiler):
    """Numba's way to compile a function, into a :class:`Linked` library."""

    def __init__(self, typing: Any, target: Any, library: Any, *rest: Any) -> None:
        super().__init__(typing, target, library or Linked(target.codegen(), "linked"), *rest)


def set_environments(kernel: Any) -> None:
    """Tell a kernel's code where the objects of the functions linked into it are, as its cache will.

    Only what talks to Python looks there, a ``print`` for instance.
    """
    for result in kernel.overloads.values():
        for environment in result._find_referenced_environments():
            result.codegen.set_env(environment.env_name, environment)
