//! Keys, every SQL statement, acquiring, and the held lock.
