"""Encoders: something → features; a file each."""

from palate.encoders._telemetry import opt_out

opt_out()  # before any of them imports a library
