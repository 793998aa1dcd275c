//! STIX 2.1 objects, ids, and patterns that are built, escaped and parsed back.
