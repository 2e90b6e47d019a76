//! Why a word does not expand.

/// What is wrong with a word.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WordError {
    /// A quote is never closed.
    #[error("the quote {quote} is not closed")]
    OpenQuote {
        /// Which one.
        quote: char,
    },
    /// `${` without `}`.
    #[error("`${{` is not closed: `}}` is missing")]
    MissingBrace,
    /// `${x/p` without the second slash.
    #[error("the replacement in `${{…/…/…}}` is missing its second `/`")]
    MissingSlash,
    /// `${}`, `${:` or `${{`.
    #[error("`${{` must be followed by the name of a variable")]
    NoName,
    /// A modifier that there is not.
    #[error("unsupported modifier `{modifier}` in `${{{name}…}}`")]
    Modifier {
        /// The variable.
        name: String,
        /// What stands behind its name.
        modifier: String,
    },
    /// `${x?message}`.
    #[error("{name}: {message}")]
    Required {
        /// The variable.
        name: String,
        /// What the author says about it.
        message: String,
    },
    /// An escape in a pattern that escapes nothing.
    #[error("invalid escape in the pattern `{pattern}`")]
    PatternEscape {
        /// The pattern.
        pattern: String,
    },
    /// Too many levels of `${…}`.
    #[error("`${{…}}` is nested too deeply")]
    TooDeep,
    /// More than anything could use.
    #[error("it becomes longer than 1 MiB when it is expanded")]
    TooLong,
}

impl WordError {
    /// What can be done about it.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        let text = match self {
            Self::OpenQuote { quote } => format!("close it with another {quote}, or escape it"),
            Self::MissingBrace => "write it as ${name}".to_owned(),
            Self::MissingSlash => "write it as ${name/pattern/replacement}".to_owned(),
            Self::NoName => "write it as ${name}, or escape the `$` to keep it".to_owned(),
            Self::Modifier { .. } => "modifiers are :- - :+ + :? ? # ## % %% / and //".to_owned(),
            Self::Required { name, .. } => format!("set it with ARG, ENV or --build-arg {name}=…"),
            Self::PatternEscape { .. } => "only * ? and \\ can be escaped".to_owned(),
            Self::TooDeep => "set intermediate variables with ARG or ENV".to_owned(),
            Self::TooLong => {
                "let a RUN write it to a file, or put the file into the build context".to_owned()
            }
        };
        Some(text)
    }
}
