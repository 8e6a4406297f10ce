//! Reads the small files that people write for libpq, with a bound, and only regular ones: opening a pipe would hang.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// A regular file, open for reading.
pub(crate) struct PlainFile {
    file: File,
    metadata: Metadata,
}

/// Why a file that is there can't be read. The display goes after its name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileFault {
    /// A directory, a pipe, a device.
    #[error("is not a plain file")]
    NotPlain,
    /// More than any such file needs.
    #[error("is larger than {MAX_BYTES} bytes")]
    TooLarge,
    /// The system does not let us read it.
    #[error("could not be read: {0}")]
    Unreadable(io::ErrorKind),
    /// Not UTF-8, or with NUL bytes.
    #[error("is not UTF-8 text")]
    NotText,
}

impl PlainFile {
    /// Opens a file; `None` if there is none.
    ///
    /// What can't be seen, in a directory that we may not enter, is as if it were not there unless it `is_named`: the
    /// usual files are looked for in a home directory that may be another user's.
    pub(crate) fn open(path: &Path, is_named: bool) -> Result<Option<PlainFile>, FileFault> {
        // Before opening, which would wait for the other end of a pipe.
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => {}
            Ok(_) => return Err(FileFault::NotPlain),
            Err(error) => {
                let is_missing =
                    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory);
                return if is_missing || !is_named {
                    Ok(None)
                } else {
                    Err(FileFault::Unreadable(error.kind()))
                };
            }
        }
        let file = File::open(path).map_err(|error| FileFault::Unreadable(error.kind()))?;
        let metadata = file.metadata().map_err(|error| FileFault::Unreadable(error.kind()))?;
        Ok(Some(PlainFile { file, metadata }))
    }

    /// Whether the group or others can do anything with it.
    pub(crate) fn is_exposed(&self) -> bool {
        self.metadata.mode() & 0o077 != 0
    }

    /// The same for a private key, which root may let a group read (libpq's `initialize_SSL`).
    #[cfg(feature = "tls")]
    pub(crate) fn is_exposed_key(&self) -> bool {
        let forbidden = if self.metadata.uid() == 0 { 0o037 } else { 0o077 };
        self.metadata.mode() & forbidden != 0
    }

    /// Its contents.
    pub(crate) fn read(self) -> Result<Vec<u8>, FileFault> {
        let mut bytes = Vec::new();
        let read = self.file.take(MAX_BYTES + 1).read_to_end(&mut bytes);
        let length = read.map_err(|error| FileFault::Unreadable(error.kind()))?;
        if u64::try_from(length).is_ok_and(|length| length <= MAX_BYTES) {
            Ok(bytes)
        } else {
            Err(FileFault::TooLarge)
        }
    }
}

/// Room for thousands of passwords.
const MAX_BYTES: u64 = 1024 * 1024;
