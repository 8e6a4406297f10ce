//! Proofs of identity, bytes in, bytes out: MD5, SCRAM and the policy which of them may be used.
