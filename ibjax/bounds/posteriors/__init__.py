"""PAC-Bayes bounds of posteriors over the weights, and code lengths."""
