//! Proofs of identity, bytes in, bytes out: MD5, SCRAM, and the policy that says which of them a server may ask for.
//!
//! Nothing here opens a socket, reads a clock or the environment, or draws a random number: the
//! salt comes from the server and the nonce from the caller, so an exchange can be replayed.
//!
//! | module | what it knows |
//! |---|---|
//! | [`words`] | values that are one of a few words |
//! | `mask` | what is shown in place of a secret |
//! | [`policy`] | `require_auth`, `channel_binding`: what the user lets a server ask for |
//! | [`md5`] | the answer to `AuthenticationMD5Password` |
//! | [`scram`] | SCRAM-SHA-256 and -PLUS as steps that consume themselves |
//!
//! A cleartext password needs no computing: `proto` encodes it, `policy` decides whether it may be sent.
//!
//! No `Debug` and no `Display` of this folder shows a password, or anything derived from one.

pub(crate) mod mask;
pub mod md5;
pub mod policy;
mod saslprep;
pub mod scram;
pub mod words;
