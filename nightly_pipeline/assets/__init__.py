"""The graph: factories of assets, checks, jobs, schedule, sensors. Thin: what to decide is decided below."""
