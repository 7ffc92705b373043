"""What a night does, in plain functions over the Protocols of `ports`: nothing here knows Dagster or Docker."""
