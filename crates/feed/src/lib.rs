//! From VMRay's submissions to delivery, on a schedule: plan, collect, map, deliver.
