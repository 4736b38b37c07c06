"""The attacks, one function a chain. Each record is tagged with its chain as it is made."""
