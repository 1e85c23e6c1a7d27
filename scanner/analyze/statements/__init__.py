"""Whether a statement applies to a request: principals, actions, resources, conditions, variables."""
