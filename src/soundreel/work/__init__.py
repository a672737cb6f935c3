"""What a job leaves on disk so that it can go on. Import `job` and `files`."""
