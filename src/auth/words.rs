//! Values that are one of a few words, those of connection strings.

/// Declares enumerations together with the words that stand for their values in a connection string; `by` names a method of
/// `str` that compares words.
macro_rules! words {
    (@same) => { <str as PartialEq>::eq };
    (@same $same:ident) => { str::$same };
    ($($(#[$doc:meta])* $name:ident $(by $same:ident)? { $($(#[$value_doc:meta])* $value:ident = $word:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum $name { $($(#[$value_doc])* $value,)* }

        impl $name {
            /// The word for this value.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$value => $word,)* }
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::auth::words::UnknownWord;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                let is_same = $crate::auth::words::words!(@same $($same)?);
                $(if is_same(word, $word) {
                    return Ok(Self::$value);
                })*
                Err($crate::auth::words::UnknownWord(&[$($word),*]))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    )*};
}
pub(crate) use words;

/// A text that is none of these words; it is not repeated here, since it may be anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected one of {}", .0.join(", "))]
#[non_exhaustive]
pub struct UnknownWord(pub &'static [&'static str]);
