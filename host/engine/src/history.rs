//! What is counted of the duplicates of one event: how many, and how many uuids. Not where it is kept.
