"""The commands of `nightly`, one module a theme. Each reads the profile, calls one function, prints."""
