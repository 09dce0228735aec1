"""The loop: takes deliveries from a source, runs handlers, settles each delivery once."""
