"""What all other rooms stand on: types, components, errors, files; no network, no table format."""
