"""The few drawing calls, the working picture's coordinates, the finish. For all rooms."""
