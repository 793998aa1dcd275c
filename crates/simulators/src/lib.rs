//! Stand-ins for VMRay, Entra and the TI upload: strict, seeded, with faults.
