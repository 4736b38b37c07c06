"""The append-only signed log of everything: append, prove, export, and a verifier that stands alone."""
