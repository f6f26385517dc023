"""Events out: what happened, rendered, signed and delivered to whoever asked for it."""
