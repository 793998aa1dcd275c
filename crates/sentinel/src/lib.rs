//! What Microsoft accepts: tokens, clouds, threat-intelligence upload.
