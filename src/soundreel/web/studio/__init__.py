"""The one object that the page and the HTTP API are faces of."""
