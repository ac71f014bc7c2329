"""Joining the processes of a cluster before JAX starts."""

import os

_NAMES = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")


def join(asked: bool) -> None:
    """Connect to the other processes, if asked to or started as one of several by a scheduler.

    Slurm and Open MPI are recognised by themselves. Anywhere else the environment says where the
    first process listens, how many there are and which one this is: JAX_COORDINATOR_ADDRESS
    (host:port), JAX_NUM_PROCESSES and JAX_PROCESS_ID.

    Args:
        asked: whether the user asked for it.

    Raises:
        ValueError: if asked for where nothing says who the others are.
    """
    given = {name: os.environ.get(name, "") for name in _NAMES}
    scheduled = _tasks() > 1
    if not asked and not scheduled:
        return
    import jax

    if all(given.values()):
        address = given["JAX_COORDINATOR_ADDRESS"]
        count, index = _whole("JAX_NUM_PROCESSES"), _whole("JAX_PROCESS_ID")
        if ":" not in address or count < 1 or not 0 <= index < count:
            raise ValueError(
                f"{', '.join(f'{k}={v}' for k, v in given.items())}: give host:port, the number "
                "of processes and an index below it"
            )
        jax.distributed.initialize(address, num_processes=count, process_id=index)
    elif scheduled:
        jax.distributed.initialize()
    else:
        raise ValueError(
            f"--distributed needs Slurm, Open MPI, or the variables {', '.join(_NAMES)}"
        )


def refuse(command: str) -> None:
    """An error where a scheduler started several processes of a command that needs one.

    Raises:
        ValueError: each would do the whole work and write the same files.
    """
    if _tasks() > 1:
        raise ValueError(f"{command} runs in one process but {_tasks()} were started; start one")


def _tasks() -> int:
    return max(_whole("SLURM_STEP_NUM_TASKS"), _whole("OMPI_COMM_WORLD_SIZE"))


def _whole(name: str) -> int:
    value = os.environ.get(name, "")
    return int(value) if value.isdecimal() else -1
