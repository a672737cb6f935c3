"""The verbs as tools of the Model Context Protocol, for agents that run here as the user does."""
