"""The commands about credit: each asks a running server through the Python client."""
