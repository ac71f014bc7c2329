"""Several processes give the file of one."""

import os
import socket
import subprocess
import sys

import numpy as np
import pytest

from ibjax import results, sweep
from ibjax.cli import cluster, commands, main
from ibjax.langevin import hosts
from ibjax.pipeline import Experiment

TINY = Experiment(
    depths=(1,), width=3, train_size=8, supersamples=1, masks=3, steps=2, checkpoints=1
)


def free_job() -> tuple[int, int]:
    """A Slurm job whose number stands for a free port, as JAX picks it, and that port."""
    for job in range(os.getpid() % 4096, 4096 + os.getpid() % 4096):
        port = job % 4096 + 65536 - 4096
        with socket.socket() as s:
            try:
                s.bind(("localhost", port))
            except OSError:
                continue
        return job, port
    raise OSError("no free port")


def test_two_processes_write_what_one_writes(tmp_path):
    """The first is started as by Slurm, without options, the second is told who the others are."""
    options = "--depths 1 --width 3 --train-size 8 --supersamples 1 --masks 3 --steps 2"
    command = [sys.executable, "-m", "ibjax", "run", *options.split(), "--checkpoints", "1"]
    alone = sweep.run(TINY, tmp_path / "alone.nc")  # first: the others find its programs compiled
    job, port = free_job()
    slurm = {
        "SLURM_JOB_ID": str(job),
        "SLURM_STEP_NODELIST": "localhost",
        "SLURM_NTASKS": "2",
        "SLURM_STEP_NUM_TASKS": "2",
        "SLURM_STEP_NUM_NODES": "1",
        "SLURM_PROCID": "0",
        "SLURM_LOCALID": "0",
    }
    told = {
        "JAX_COORDINATOR_ADDRESS": f"localhost:{port}",
        "JAX_NUM_PROCESSES": "2",
        "JAX_PROCESS_ID": "1",
    }
    started = []
    for i, (more, options) in enumerate(((slurm, []), (told, ["--distributed"]))):
        said = open(tmp_path / f"{i}.txt", "w+")
        environment = {**os.environ, **more, "JAX_NUM_CPU_DEVICES": "1"}
        options = [*options, "--no-cache", "--out", str(tmp_path / f"{i}" / "r.nc")]
        process = subprocess.Popen([*command, *options], stdout=said, stderr=said, env=environment)
        started.append((process, said))
    for process, said in started:
        status = process.wait(timeout=400)
        said.seek(0)
        text = said.read()
        said.close()
        assert status == 0, text
    assert not (tmp_path / "1").exists()
    together = results.read(tmp_path / "0" / "r.nc")
    assert together.sizes["mask_id"] == 3
    for name in alone.data_vars:
        np.testing.assert_array_equal(together[name], alone[name], err_msg=name)


def test_one_process_has_every_row():
    np.testing.assert_array_equal(hosts.share(5), np.arange(5))
    assert hosts.first() and hosts.agreed(True) and not hosts.agreed(False)


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({}, "--distributed needs"),
        (
            {
                "JAX_COORDINATOR_ADDRESS": "nohost",
                "JAX_NUM_PROCESSES": "2",
                "JAX_PROCESS_ID": "2",
            },
            "JAX_PROCESS_ID=2",
        ),
    ],
)
def test_an_unknown_cluster_is_one_error(environment, named, monkeypatch, capsys):
    for name in (*cluster._NAMES, "SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert main(["run", "--distributed"]) == 2
    error = capsys.readouterr().err
    assert named in error and error.count("\n") == 1


@pytest.mark.parametrize("name", sorted(commands.COMMANDS.keys() - {"run"}))
def test_commands_for_one_process_are_refused_in_several(name, tmp_path, monkeypatch, capsys):
    """Each would do the whole work and write the same files."""
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "3")
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.arange(4.0))
    words = {
        "show": ["x.nc"],
        "why": ["x.nc"],
        "choose": ["bounds"],
        "bounds": ["x.npz"],
        "mi": ["x.npy", "x.npy"],
        "account": ["--n", "10"],
        "plane": ["x.npz"],
        "reproduce": ["sign-learner"],
    }
    assert main([name, *words.get(name, [])]) == 2
    said = capsys.readouterr()
    assert f"ibjax {name}" in said.err and "3 were started" in said.err and said.out == ""
    assert [p.name for p in tmp_path.iterdir()] == ["x.npy"]
