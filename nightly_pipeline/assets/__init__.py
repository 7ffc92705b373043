"""The graph: factories of assets, checks, jobs, schedule and sensors. Thin: what to decide is decided below."""
