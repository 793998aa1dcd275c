//! What we know, durable: cursor, samples, indicators, outbox, quarantine, receipts, runs, commands.
