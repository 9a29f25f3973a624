"""Encoders: something → features; a file each."""

from palate.nn.telemetry import opt_out

opt_out()  # before any of them imports a library
