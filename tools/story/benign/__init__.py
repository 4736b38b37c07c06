"""Everything that is no attack: plain working days, the noise that alerts, and the hard stories with their windows."""
