"""The engines, a folder each, behind the protocol in `base`. No engine imports another."""
