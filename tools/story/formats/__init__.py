"""One writer a vendor format. Attack and background records come from the same writers."""
