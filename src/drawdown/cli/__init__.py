"""The command `drawdown`: one file per noun, composed in ``main``."""
