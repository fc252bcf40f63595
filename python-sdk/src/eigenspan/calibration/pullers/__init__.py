"""Live services: one source a provider, asked in turn by the poller. Importing this package imports no SDK."""
