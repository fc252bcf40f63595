"""The generator of everything that follows from the registry."""
