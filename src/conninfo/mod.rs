//! Where to connect, as libpq says it.
