//! What is accepted, but should be written otherwise.

use crate::span::Span;

/// What is accepted, but should be written otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// What it is.
    pub kind: WarningKind,
    /// Where it stands.
    pub span: Span,
}

/// The kinds of warnings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WarningKind {
    /// An empty line in the midst of an instruction.
    #[error("empty continuation line")]
    EmptyContinuation,
}

impl Warning {
    /// What would be right.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self.kind {
            WarningKind::EmptyContinuation => {
                "remove the empty line, or make it a comment: docker will refuse it one day"
            }
        }
    }
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.kind.fmt(f)
    }
}
