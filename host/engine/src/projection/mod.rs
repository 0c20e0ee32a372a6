//! Fields of JSON events found in one pass. Under construction.
