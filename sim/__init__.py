"""manynets."""

from sim.explicit import Trained, train_arrays

__all__ = ["Trained", "train_arrays"]
