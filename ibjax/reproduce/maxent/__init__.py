"""How strictly trained layers apply maximum entropy."""
