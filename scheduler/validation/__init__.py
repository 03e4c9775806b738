"""Whether the background of a run can be trusted: one page with a verdict per check and its figure."""
