"""What pages and the command line share: formats, the filter's grammar, timelines."""
