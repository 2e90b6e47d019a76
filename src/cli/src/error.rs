//! What can go wrong in a command, and what the person who typed it can do.

use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use stromatekt_dockerfile::Dockerfile;

/// The result of an operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What was attempted, on what, and why it failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An option has a value that it cannot have.
    #[error("invalid value `{value}` of {option}: {reason}")]
    Option {
        /// The option, with its dashes.
        option: &'static str,
        /// What was given.
        value: String,
        /// What is wrong with it.
        reason: String,
        /// What would be right.
        hint: Option<String>,
    },
    /// Options that contradict each other, or something that is missing.
    #[error("{what}")]
    Usage {
        /// What is wrong.
        what: String,
        /// What would be right.
        hint: String,
    },
    /// An option that docker has.
    #[error("{option} is not supported")]
    Unsupported {
        /// The option, with its dashes and its value.
        option: String,
        /// The way out.
        hint: &'static str,
    },
    /// A verb that docker has.
    #[error("`{verb}` is not supported: stromatekt only builds images")]
    ForeignVerb {
        /// With what stands before it.
        verb: String,
        /// The way out.
        hint: &'static str,
    },
    /// A verb that nobody has.
    #[error("unknown command: {verb}")]
    NoVerb {
        /// With what stands before it.
        verb: String,
    },
    /// The threads of this program cannot be started.
    #[error("cannot start: {source}")]
    Runtime {
        /// Why not.
        source: io::Error,
    },
    /// A file could not be used.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The context is nothing that can be one.
    #[error("the context {} {reason}", path.display())]
    Context {
        /// What was given.
        path: PathBuf,
        /// Why it cannot be a context.
        reason: &'static str,
        /// What would be right.
        hint: &'static str,
    },
    /// An ignore file cannot be understood.
    #[error("{}: {source}", path.display())]
    IgnoreFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: stromatekt_files::Error,
    },
    /// A context is no sound tar.
    #[error("cannot unpack the context from {name}: {source}")]
    Unpack {
        /// Where it came from.
        name: String,
        /// What is wrong with it.
        source: stromatekt_oci::Error,
    },
    /// The Dockerfile is wrong.
    #[error("{message}")]
    Dockerfile {
        /// What is wrong.
        message: String,
        /// What would be right.
        help: Option<String>,
        /// The Dockerfile.
        text: DockerfileText,
        /// Where it is wrong, in bytes of its text; not known where it is something that is not there.
        span: Option<Range<usize>>,
    },
    /// A build failed.
    #[error(transparent)]
    Build(Box<FailedBuild>),
    /// An image could not be loaded.
    #[error("cannot load {}: {source}", path.display())]
    Load {
        /// From where.
        path: PathBuf,
        /// Why not.
        source: Arc<stromatekt_engine::Error>,
    },
    /// An image could not be pushed or pulled.
    #[error("{source}")]
    Transfer {
        /// Why not.
        source: Arc<stromatekt_engine::Error>,
    },
    /// Something was asked of the store that it cannot do.
    #[error(transparent)]
    Engine(Box<stromatekt_engine::Error>),
    /// A secret or an ssh agent cannot be had.
    #[error(transparent)]
    Executor(#[from] stromatekt_executor::Error),
    /// A context could not be fetched.
    #[error(transparent)]
    Sources(Box<stromatekt_sources::Error>),
    /// A tar or a name is not sound.
    #[error(transparent)]
    Oci(#[from] stromatekt_oci::Error),
    /// Several things went wrong, each by itself.
    #[error("{} errors", .0.len())]
    Several(Vec<Error>),
    /// The Dockerfile does not follow rules, which was told.
    #[error("the Dockerfile does not follow all rules")]
    Violations,
    /// A result cannot be written as JSON.
    #[error("cannot write the result as JSON: {source}")]
    Json {
        /// Why not.
        source: serde_json::Error,
    },
    /// Images are not the same, which was told already.
    #[error("the images differ")]
    Different,
    /// Images could not be compared.
    #[error(transparent)]
    NotCompared(Box<Error>),
    /// An image that is to be compared cannot be read.
    #[error(transparent)]
    Compare(#[from] stromatekt_compare::Error),
    /// Another program is not there.
    #[error("{program} is not installed")]
    NoProgram {
        /// Which one.
        program: String,
    },
    /// Another program failed.
    #[error("{program} cannot {attempt}: {said}")]
    Program {
        /// Which one.
        program: String,
        /// What it was to do.
        attempt: String,
        /// What it said.
        said: String,
    },
    /// The person stopped it.
    #[error("canceled")]
    Interrupted,
    /// Nobody reads standard output any more.
    #[error("nobody reads the output")]
    BrokenPipe,
}

/// A Dockerfile's text with the name that people know it by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DockerfileText {
    /// `Dockerfile`, or as it was given with `--file`.
    pub name: Arc<str>,
    /// The text.
    pub text: Arc<str>,
}

/// A build that failed.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct FailedBuild {
    /// Why.
    #[source]
    pub error: Arc<stromatekt_engine::Error>,
    /// What was built.
    pub text: DockerfileText,
    /// The lines that the failure is about, counted from 1.
    pub lines: Option<(u32, u32)>,
    /// More that might help than the error knows.
    pub hint: Option<String>,
    /// The steps that failed, with the last that their processes wrote.
    pub steps: Vec<FailedStep>,
}

/// A step that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedStep {
    /// `[2/2] RUN make`.
    pub name: String,
    /// The last lines of its output.
    pub log: Vec<String>,
}

impl Error {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Option { hint, .. } => hint.clone(),
            Self::Usage { hint, .. } => Some(hint.clone()),
            Self::Unsupported { hint, .. }
            | Self::ForeignVerb { hint, .. }
            | Self::Context { hint, .. } => Some((*hint).to_owned()),
            Self::NoVerb { .. } => Some("--help lists the commands".to_owned()),
            Self::IgnoreFile { source, .. } => source.hint(),
            Self::Dockerfile { help, .. } => help.clone(),
            Self::Build(failed) => failed.hint.clone().or_else(|| failed.error.hint()),
            Self::Load { source, .. } | Self::Transfer { source } => source.hint(),
            Self::Engine(error) => error.hint(),
            Self::Sources(error) => error.hint(),
            Self::Oci(error) | Self::Unpack { source: error, .. } => {
                error.hint().map(str::to_owned)
            }
            Self::NotCompared(error) => error.hint(),
            Self::Compare(error) => error.hint().map(str::to_owned),
            Self::NoProgram { program } => Some(format!(
                "install {program}, or choose what to compare with by --against"
            )),
            Self::Program { .. } => None,
            Self::Different
            | Self::Runtime { .. }
            | Self::File { .. }
            | Self::Executor(_)
            | Self::Several(_)
            | Self::Violations
            | Self::Json { .. }
            | Self::Interrupted
            | Self::BrokenPipe => None,
        }
    }

    /// What the program exits with.
    pub fn exit_code(&self) -> u8 {
        match self {
            // As a shell says that a signal ended a program: SIGINT, SIGPIPE.
            Self::Interrupted => 130,
            Self::BrokenPipe => 141,
            // As diff(1): 1 is for what differs.
            Self::NotCompared(_) => 2,
            _ => 1,
        }
    }

    /// For `map_err`: `action` on `path` failed.
    pub fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File {
            action,
            path,
            source,
        }
    }

    /// For `map_err`: a result is no JSON.
    pub fn json(source: serde_json::Error) -> Self {
        Self::Json { source }
    }

    /// The lines of the Dockerfile that it is about, counted from 1.
    pub fn lines(&self) -> Option<(u32, u32)> {
        match self {
            Self::Dockerfile {
                text,
                span: Some(span),
                ..
            } => {
                let line = |end: usize| {
                    let breaks = text.text.bytes().take(end).filter(|byte| *byte == b'\n');
                    u32::try_from(breaks.count() + 1).unwrap_or(u32::MAX)
                };
                let last = span.end.saturating_sub(1).max(span.start);
                Some((line(span.start), line(last)))
            }
            Self::Build(failed) => failed.lines,
            _ => None,
        }
    }

    /// For `map_err`: images could not be compared because of this.
    pub fn not_compared(self) -> Self {
        match self {
            Self::Interrupted | Self::BrokenPipe => self,
            error => Self::NotCompared(Box::new(error)),
        }
    }

    /// Nothing, or all that went wrong.
    ///
    /// # Errors
    /// When something did.
    pub fn all(errors: Vec<Self>) -> Result<()> {
        match errors.is_empty() {
            true => Ok(()),
            false => Err(Self::Several(errors)),
        }
    }

    /// A text that is no Dockerfile, or one that cannot be built.
    pub fn dockerfile(error: &stromatekt_dockerfile::Error, text: DockerfileText) -> Self {
        Self::Dockerfile {
            message: error.to_string(),
            help: error.help(),
            text,
            span: error.span.map(Into::into),
        }
    }
}

// Boxed: they are large, and every result of this crate would be.
impl From<stromatekt_engine::Error> for Error {
    fn from(error: stromatekt_engine::Error) -> Self {
        Self::Engine(Box::new(error))
    }
}

impl From<stromatekt_sources::Error> for Error {
    fn from(error: stromatekt_sources::Error) -> Self {
        Self::Sources(Box::new(error))
    }
}

impl DockerfileText {
    /// Parses it.
    ///
    /// # Errors
    /// When it is no Dockerfile.
    pub fn parse(&self) -> Result<Dockerfile> {
        stromatekt_dockerfile::parse(&self.text)
            .map_err(|error| Error::dockerfile(&error, self.clone()))
    }
}
