"""What a person sees while a job runs: on a terminal, in a log, in a notebook."""
