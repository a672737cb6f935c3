"""`make bench`: every measurement that needs minutes, not hours.

Longer ones have commands of their own: `python -m bench.memory 60`, `python -m bench.full_size`,
`python -m bench.whole_job`, `python -m bench.main_memory`, `python -m bench.products`.
"""

from __future__ import annotations

from bench import (
    audio,
    cluster,
    diffsynth,
    farm,
    memory,
    peaks,
    preview,
    servers,
    startup,
    traffic,
    video,
)

if __name__ == "__main__":
    modules = (
        startup,
        audio,
        video,
        preview,
        farm,
        cluster,
        servers,
        memory,
        peaks,
        traffic,
        diffsynth,
    )
    for module in modules:
        print(f"\n== {module.__name__.removeprefix('bench.')}", flush=True)
        module.main()
