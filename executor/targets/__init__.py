"""Where `notify` and alerts go."""
