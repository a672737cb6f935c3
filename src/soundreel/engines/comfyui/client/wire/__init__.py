"""One request and its answer: address, bounds, faults, what answers hold. For `client`."""
