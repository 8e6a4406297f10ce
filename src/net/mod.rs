//! The only folder that opens a socket.
