"""Who may call: CDS client tokens (JWT), their keys, their single use, and the rate of each client."""
