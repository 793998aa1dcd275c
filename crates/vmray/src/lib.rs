//! What VMRay says: typed client, paging, submit.
