"""`ibjax run` as the tasks of a Slurm job, on a cluster of one node that this script starts.

    python benchmarks/slurm.py [--out benchmarks/slurm.json]

Needs Slurm's and munge's daemons (Debian: slurmctld, slurmd, slurm-client, munge) and the right to
start them, which is root's. They listen on this machine alone, live in a temporary folder and are
ended with the script. It shows that two tasks of `srun` write the file one process writes, what a
task that is killed leaves behind, that the same command then goes on from there, and that commands
for one process say so where several are started.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

DAEMONS = ("munged", "slurmctld", "slurmd", "srun")
IBJAX = [sys.executable, "-m", "ibjax"]
OPTIONS = (
    "run --quiet --depths 1 2 --width 8 --train-size 40 80 --supersamples 2 --masks 6 --steps 100 "
    "--checkpoints 2"
).split()
CONFIGURATION = """
ClusterName=here
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
ReturnToService=2
SlurmctldPort=16817
SlurmdPort=16818
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} CoresPerSocket={cores} State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


@contextmanager
def cluster(folder: Path) -> Iterator[dict[str, str]]:
    """Start munge and Slurm in a folder; the environment in which `srun` finds them."""
    host = os.uname().nodename.split(".")[0]
    cores = max(os.cpu_count() or 2, 2)
    for name in ("state", "spool"):
        (folder / name).mkdir()
    configuration = folder / "slurm.conf"
    configuration.write_text(CONFIGURATION.format(host=host, folder=folder, cores=cores))
    (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
    key = folder / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    shutil.chown(folder, "root")
    folder.chmod(0o755)
    places = [f"--{n}-file={folder}/munge.{n}" for n in ("key", "pid", "log", "seed")]
    environment = {**os.environ, "SLURM_CONF": str(configuration)}
    commands = (
        ["munged", "-F", "--force", f"--socket={folder}/munge.socket", *places],
        ["slurmctld", "-D", "-f", str(configuration)],
        ["slurmd", "-D", "-f", str(configuration)],
    )
    started = []
    try:
        for command in commands:
            log = open(folder / f"{command[0]}.out", "w")
            started.append(subprocess.Popen(command, stdout=log, stderr=log, env=environment))
            time.sleep(2)
        for _ in range(30):
            state = ["sinfo", "-h", "-o", "%T"]
            if (
                "idle"
                in subprocess.run(state, env=environment, capture_output=True).stdout.decode()
            ):
                break
            time.sleep(1)
        else:
            logs = "\n".join(p.read_text()[-2000:] for p in folder.glob("*.log"))
            raise RuntimeError(f"the node did not come up:\n{logs}")
        yield environment
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            process.wait(20)


def tasks(count: int, *command: str) -> list[str]:
    """A command as so many tasks of one job step, a core each; all end where one fails."""
    return ["srun", f"--ntasks={count}", "--cpus-per-task=1", "--kill-on-bad-exit=1", *command]


def ended(command: list[str], environment: dict[str, str]) -> dict[str, Any]:
    start = time.perf_counter()
    said = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    seconds = round(time.perf_counter() - start, 1)
    return {"status": said.returncode, "seconds": seconds, "said": said.stderr.strip()[-400:]}


def same(a: Path, b: Path) -> bool:
    """Whether two results files hold the same numbers, to the bit."""
    with xr.open_datatree(a) as one, xr.open_datatree(b) as other:
        groups = sorted(node.path for node in one.subtree)
        if groups != sorted(node.path for node in other.subtree):
            return False
        pairs = [(one[g].ds[v].values, other[g].ds[v].values) for g in groups for v in one[g].ds]
    return all(
        np.array_equal(x, y, equal_nan=x.dtype.kind == "f" and y.dtype.kind == "f")
        for x, y in pairs
    )


def kill_one(command: list[str], environment: dict[str, str], cells: Path) -> dict[str, Any]:
    """Start a job, end its second task by SIGKILL once a cell is stored; what is left."""
    job = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    start = time.perf_counter()
    while job.poll() is None and not list(cells.glob("*.nc")):
        time.sleep(0.05)
        if time.perf_counter() - start > 300:
            job.kill()
            raise RuntimeError("no cell was stored in 300 s")
    victim = None
    for process in Path("/proc").glob("[0-9]*"):
        try:
            variables = (process / "environ").read_bytes().split(b"\0")
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"SLURM_PROCID=1" in variables and b"ibjax" in words:
            victim = int(process.name)
            os.kill(victim, signal.SIGKILL)
            break
    killed = time.perf_counter()
    _, said = job.communicate(timeout=300)
    stored = sorted(cells.glob("*.nc"))
    return {
        "killed": victim is not None,
        "status": job.returncode,
        "seconds_until_the_job_ends": round(time.perf_counter() - killed, 1),
        "cells_stored": len(stored),
        "half_written": len([p for p in cells.rglob("*") if p.is_file() and p not in stored]),
        "said": said.strip()[-400:],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    missing = [name for name in DAEMONS if not shutil.which(name)]
    if missing:
        parser.error(f"{', '.join(missing)} not found: install Slurm and munge")
    with tempfile.TemporaryDirectory(dir="/tmp") as name, cluster(Path(name)) as environment:
        folder = Path(name)
        one, two, third = (folder / n / "results.nc" for n in ("one", "two", "killed"))
        environment |= {"JAX_NUM_CPU_DEVICES": "1"}

        def run(out: Path) -> list[str]:
            return [*IBJAX, *OPTIONS, "--out", str(out)]

        found: dict[str, Any] = {
            "what": "`srun -n 2 ibjax run` beside one process, and what a killed task leaves.",
            "slurm": subprocess.check_output(
                ["srun", "--version"], env=environment, text=True
            ).strip(),
            "options": OPTIONS,
            "load": round(os.getloadavg()[0], 1),
            "one process": ended(run(one), environment),
            "two tasks": ended(tasks(2, *run(two)), environment),
        }
        found["same numbers"] = same(one, two)
        killed = tasks(2, *run(third))
        found["one task killed"] = kill_one(killed, environment, third.with_suffix(".cells"))
        found["results file left by it"] = third.exists()
        found["the same command again"] = ended(killed, environment)
        found["same numbers then"] = same(one, third)
        alone = tasks(2, *IBJAX, "certify", "--steps", "2")
        found["a command for one process"] = ended(alone, environment)
    text = json.dumps(found, indent=2)
    print(text)
    if args.out:
        args.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
