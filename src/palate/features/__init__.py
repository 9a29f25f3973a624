"""Features of items and of users: encoded, transformed, fused, selected; kept by content."""
