"""PyTorch: the step of `torch_vmap` through ``torch.compile``."""

from __future__ import annotations

from sim.bench.peers.numpy_chunks import ONE_THREAD
from sim.bench.peers.registry import Task, Training, peer
from sim.bench.peers.torch_vmap import training


@peer(
    title="torch.func vmap, compiled",
    libraries=("torch",),
    networks=256,
    process_a_core=True,
    environment=ONE_THREAD,
)
def torch_vmap_compiled(task: Task) -> Training:
    """Gradient and Adam in one compiled function."""
    return training(task, compiled=True)
