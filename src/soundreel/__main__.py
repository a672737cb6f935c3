"""`python -m soundreel` is `soundreel`."""

from soundreel.cli.start import main

main()
