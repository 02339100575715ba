"""What every address of the API shares: who asks, how often, and how a refusal is said."""
