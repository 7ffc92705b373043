"""Values and rules, pure: nothing here reads a file, a clock, the network or the environment."""
