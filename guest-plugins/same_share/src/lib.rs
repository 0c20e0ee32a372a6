//! The plugin `same_share`: two events are as alike as the share of their properties that agree. Not a shipped scorer.
