"""Figures of stored traces, weighted by how they were sampled: what the page and the commands show of them."""
