"""How it is done: one door to each thing outside (processes, git, buildx, registries, containers, stores, Slack)."""
