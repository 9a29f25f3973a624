"""Encoders: something → features; a file each."""
