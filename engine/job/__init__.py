"""The federated job: a validated description of it and the ``job.py`` it becomes."""

from __future__ import annotations

from engine.job.render import render
from engine.job.settings import job_settings
from engine.job.sites import named_sites
from engine.job.spec import JobSpec, job_spec, job_spec_from, planned_job_spec, read_conversion
from engine.job.update import update_job

__all__ = [
    "JobSpec",
    "job_settings",
    "job_spec",
    "job_spec_from",
    "named_sites",
    "planned_job_spec",
    "read_conversion",
    "render",
    "update_job",
]
