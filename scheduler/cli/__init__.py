"""The command line: its entry point, its options and its commands."""
