"""`python run_fake.py ARGS`: the command line with the fake engine, for tests that kill it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import fakes
from soundreel.cli.app import run

fakes.register()
sys.exit(run(sys.argv[1:]))
