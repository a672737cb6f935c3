"""Sigma ladders and whole trajectories equal the official solvers."""

from __future__ import annotations

import torch

from parity.reference import STAGE_TOLERANCE, Reference, max_abs
from soundreel.engines.wan.options import parse_options
from soundreel.engines.wan.sampling.sampler import denoise, make_solver


def test_trajectory(reference: Reference, sampler_case: str) -> None:
    stored = reference.file("samplers")
    facts, case = stored.cases[sampler_case], stored.case(sampler_case)
    options = {"steps": facts["steps"], "flow_shift": facts["shift"], "sampler": facts["solver"]}
    solver = make_solver(parse_options(options).sampling)
    assert max_abs(solver.sigmas, case["sigmas"]) <= 1e-7
    assert torch.equal(solver.timesteps, case["timesteps"])
    outputs = iter(case["model_output"])
    steps = denoise(lambda *_: next(outputs)[None], case["x"][:1], solver, lambda: None)
    trajectory = torch.cat([step.latents for step in steps])
    assert max_abs(trajectory, case["x"][1:]) <= STAGE_TOLERANCE


def test_timesteps_of_a_run(reference: Reference) -> None:
    for run in reference.files("e2e_run"):
        facts = run.cases
        options = {"steps": facts["steps"], "flow_shift": facts["shift"]}
        solver = make_solver(parse_options({**options, "sampler": facts["solver"]}).sampling)
        assert torch.equal(solver.timesteps, run.tensor("timesteps"))
