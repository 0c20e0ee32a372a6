//! A plugin that breaks one rule of the contract at a time. Not for use: tests of the conformance suite hold it up.
