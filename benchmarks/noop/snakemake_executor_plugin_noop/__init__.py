"""An executor whose jobs do nothing but leave empty outputs: what is left is Snakemake's own time.

As a cluster's plugin does, it writes each job's command and asks after the jobs in turns.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
from snakemake_interface_executor_plugins.jobs import JobExecutorInterface
from snakemake_interface_executor_plugins.settings import CommonSettings

common_settings = CommonSettings(
    non_local_exec=True,
    implies_no_shared_fs=False,
    job_deploy_sources=False,
    pass_default_storage_provider_args=True,
    pass_default_resources_args=True,
    pass_envvar_declarations_to_cmd=False,
    auto_deploy_default_storage_provider=False,
    init_seconds_before_status_checks=0,
)


class Executor(RemoteExecutor):
    """Finishes every job at the next time of asking."""

    def __post_init__(self) -> None:
        """Nothing to prepare."""

    def run_job(self, job: JobExecutorInterface) -> None:
        """Leave empty outputs, and the benchmark that is waited for."""
        self.format_job_exec(job)
        for one in [*job.output, job.benchmark] if job.benchmark else job.output:
            Path(one).parent.mkdir(parents=True, exist_ok=True)
            Path(one).touch()
        self.report_job_submission(SubmittedJobInfo(job))

    async def check_active_jobs(
        self, active_jobs: list[SubmittedJobInfo]
    ) -> AsyncIterator[SubmittedJobInfo]:
        """All have finished."""
        for one in active_jobs:
            self.report_job_success(one)
        still: list[SubmittedJobInfo] = []
        for one in still:
            yield one

    def cancel_jobs(self, active_jobs: list[SubmittedJobInfo]) -> None:
        """Nothing runs."""
