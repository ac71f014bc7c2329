"""What depth does: the published bound where it is attained, where it fails, and its price."""
