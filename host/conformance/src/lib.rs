//! The conformance suite for plugins: rules, and what a component does under them. Not the sandbox, and no policy.
