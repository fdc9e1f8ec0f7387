"""The profile of profiles/slurm on a real SLURM of two nodes (tests/slurm)."""

from __future__ import annotations


def test_accounting_has_what_was_asked_for(cluster):
    job = cluster.submit("--gpus=1", "--mem=100", "--time=5", command="sleep 1")
    cluster.wait_state(job, "COMPLETED")
    cluster.until("asked for", lambda: cluster.sacct("ReqTRES", jobs=job)[0]["ReqTRES"])
    (asked,) = cluster.sacct("ReqTRES", "AllocTRES", "TimelimitRaw", jobs=job)
    assert "gres/gpu=1,mem=100M" in asked["ReqTRES"]
    assert asked["AllocTRES"] == asked["ReqTRES"]
    assert asked["TimelimitRaw"] == "5"
