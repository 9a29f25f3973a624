"""What every room shares: ids, features, histories, settings, errors, the registry."""
