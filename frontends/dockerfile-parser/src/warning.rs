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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WarningKind {
    /// Empty lines in the midst of an instruction. The place is the last line before its here-documents, as in BuildKit.
    EmptyContinuation,
}
