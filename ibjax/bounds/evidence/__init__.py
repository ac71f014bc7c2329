"""From the evidence of a run to its rows: fields, one checkpoint, premises, registry."""
