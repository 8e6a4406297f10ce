//! A checked reader over the body of one message, for the decoders in `backend`.

/// Why a body could not be decoded; never holds bytes of the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// The body ends inside a field.
    #[error("it ends inside a field")]
    Short,
    /// Bytes are left after the last field.
    #[error("bytes are left after its last field")]
    Trailing,
    /// A string has no terminating NUL inside the body.
    #[error("a string has no end")]
    Unterminated,
    /// A count or length is negative or not one that the message allows.
    #[error("a count or length is out of range")]
    BadCount,
    /// A field holds a value that the protocol does not know.
    #[error("a field has an unknown value")]
    BadValue,
}

/// The part of a message body that has not been read yet.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the first byte of `body`, which excludes the type byte and the length.
    #[must_use]
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self { rest: body }
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// [`Malformed::Short`] where fewer are left.
    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (head, tail) = self.rest.split_at_checked(count).ok_or(Malformed::Short)?;
        self.rest = tail;
        Ok(head)
    }

    /// The next bytes as an array.
    ///
    /// # Errors
    /// [`Malformed::Short`] where fewer are left.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, tail) = self.rest.split_first_chunk::<N>().ok_or(Malformed::Short)?;
        self.rest = tail;
        Ok(*head)
    }

    /// Byte1.
    ///
    /// # Errors
    /// [`Malformed::Short`] at the end.
    pub(super) fn byte(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// Int16.
    ///
    /// # Errors
    /// [`Malformed::Short`] at the end.
    pub(super) fn int16(&mut self) -> Result<i16, Malformed> {
        self.array().map(i16::from_be_bytes)
    }

    /// Int32.
    ///
    /// # Errors
    /// [`Malformed::Short`] at the end.
    pub(super) fn int32(&mut self) -> Result<i32, Malformed> {
        self.array().map(i32::from_be_bytes)
    }

    /// String: the bytes before the next NUL, which is consumed too.
    ///
    /// # Errors
    /// [`Malformed::Unterminated`] where the body has no NUL left: the terminator is looked for in the
    /// body only (CVE-2022-41862).
    pub(super) fn string(&mut self) -> Result<&'a [u8], Malformed> {
        let end = self.rest.iter().position(|&byte| byte == 0).ok_or(Malformed::Unterminated)?;
        let text = self.bytes(end)?;
        self.byte()?;
        Ok(text)
    }

    /// All that is left.
    pub(super) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// [`Malformed::Trailing`] where anything is left over.
    pub(super) fn finish(self) -> Result<(), Malformed> {
        if self.rest.is_empty() { Ok(()) } else { Err(Malformed::Trailing) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_each_kind_of_field_in_order() {
        let mut reader = Reader::new(b"\x07\xff\xfe\x00\x00\x00\x2aann\0rest");
        assert_eq!(reader.byte(), Ok(7));
        assert_eq!(reader.int16(), Ok(-2));
        assert_eq!(reader.int32(), Ok(42));
        assert_eq!(reader.string(), Ok(&b"ann"[..]));
        assert_eq!(reader.rest(), b"rest");
        assert_eq!(reader.finish(), Ok(()));
    }

    #[test]
    fn a_field_never_reaches_past_the_body() {
        assert_eq!(Reader::new(b"\0\0\0").int32(), Err(Malformed::Short));
        assert_eq!(Reader::new(b"\0").int16(), Err(Malformed::Short));
        assert_eq!(Reader::new(b"").byte(), Err(Malformed::Short));
        assert_eq!(Reader::new(b"ann").string(), Err(Malformed::Unterminated));
        assert_eq!(Reader::new(b"ann").bytes(4), Err(Malformed::Short));
    }

    #[test]
    fn nothing_may_be_left_over() {
        assert_eq!(Reader::new(b"x").finish(), Err(Malformed::Trailing));
    }
}
