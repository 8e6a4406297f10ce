//! The conversation with a server, without its socket: bytes in, steps out.
