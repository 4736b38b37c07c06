"""Detection engineering: rules checked, tried, and forecast before they are let loose on the stream. Pure."""
