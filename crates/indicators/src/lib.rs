//! VMRay's findings as STIX: mapping, filter, noise rules, receipts.
