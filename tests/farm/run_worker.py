"""A process that makes units with the fake engine: `python run_worker.py`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import fakes
from soundreel.farm.worker import main

fakes.register()
main()
