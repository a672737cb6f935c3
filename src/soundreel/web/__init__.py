"""The studio: jobs over HTTP, and the page. It keeps jobs and hands them to `api.generate`."""
