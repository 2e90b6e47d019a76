//! The name of a snapshot: safe as one path component.

use std::fmt;
use std::str::FromStr;

/// The longest name: a file name's limit less some room for what a backend adds.
const MAX_LENGTH: usize = 200;

/// A name safe as one path component: 1 to 200 ASCII letters, digits, `-`, `_`, `.`, `:`, `+` or `=`, and no `.` in front.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SnapshotName(String);

/// That a text cannot name a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{name}` cannot name a snapshot: it takes 1 to {MAX_LENGTH} ASCII letters, digits or `-_.:+=`, not starting with `.`"
)]
pub struct InvalidName {
    /// The text.
    pub name: String,
}

impl SnapshotName {
    /// The name that `name` spells.
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidName> {
        let name = name.into();
        let fits = (1..=MAX_LENGTH).contains(&name.len()) && !name.starts_with('.');
        let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:+=".contains(&byte);
        match fits && name.bytes().all(safe) {
            true => Ok(Self(name)),
            false => Err(InvalidName { name }),
        }
    }

    /// It as a text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SnapshotName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl AsRef<str> for SnapshotName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for SnapshotName {
    type Err = InvalidName;

    fn from_str(name: &str) -> Result<Self, InvalidName> {
        Self::new(name)
    }
}

impl TryFrom<String> for SnapshotName {
    type Error = InvalidName;

    fn try_from(name: String) -> Result<Self, InvalidName> {
        Self::new(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_more_or_less_than_one_path_component_is_no_name() {
        let long = "x".repeat(MAX_LENGTH + 1);
        for bad in ["", ".", "..", ".x", "a/b", "a\0", "a b", "ä", "a\n", &long] {
            assert!(SnapshotName::new(bad).is_err(), "{bad:?} was taken");
        }
        for good in ["a", "sha256:00ff", "run-7.x", "a=b+c_d", &long[1..]] {
            assert!(SnapshotName::new(good).is_ok(), "{good:?} was refused");
        }
    }
}
