"""One importer a provider: its documents and live objects in, the neutral snapshot out."""
