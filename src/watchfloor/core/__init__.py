"""The nouns and the pure rules they obey. No I/O, no clock, no randomness, no import of any other room."""
