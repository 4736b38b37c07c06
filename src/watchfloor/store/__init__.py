"""What is kept: documents, accounts, evidence by digest, the event lake. No call works without a tenant."""
