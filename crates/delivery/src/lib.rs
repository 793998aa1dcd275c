//! How it gets there exactly as often as needed: diff, stage, send, settle.
