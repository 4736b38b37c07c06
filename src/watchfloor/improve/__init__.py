"""Room 5: what the product's work was worth, measured. Learning comes later."""
