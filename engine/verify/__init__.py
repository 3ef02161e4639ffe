"""The proofs: what `apply` wrote is the user's own training, federated. See docs/verify.md."""
