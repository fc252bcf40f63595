"""A workload of real circuits to see the collector at work."""
