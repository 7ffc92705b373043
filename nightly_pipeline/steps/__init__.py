"""What a night does, in plain functions over the Protocols of `ports`. Nothing here knows Dagster or Docker."""
