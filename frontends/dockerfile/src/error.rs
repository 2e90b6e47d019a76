//! What can be wrong with a Dockerfile that is well formed.

use std::fmt;

use stromatekt_dockerfile_parser::{self as parser, Span, WordError};
use stromatekt_graph::GraphError;

use crate::options::Entitlement;

/// The result of a fallible operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A problem and the place where it stands.
#[derive(Debug)]
pub struct Error {
    /// What is wrong.
    pub problem: Problem,
    /// Where, if it stands in the Dockerfile.
    pub span: Option<Span>,
}

/// What can be wrong.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// A text is not a Dockerfile, or not an instruction.
    #[error(transparent)]
    Syntax(parser::Problem),
    /// A `# syntax=` line that names another language.
    #[error("the frontend `{image}` cannot be loaded")]
    Frontend {
        /// The image.
        image: String,
    },
    /// `--target` names no stage.
    #[error("target stage `{name}` could not be found")]
    UnknownTarget {
        /// What was asked for.
        name: String,
        /// A stage with nearly that name.
        nearest: Option<String>,
        /// The names that there are.
        names: Vec<String>,
    },
    /// A stage needs itself.
    #[error("circular dependency detected on stage `{stage}`")]
    Circular {
        /// The stage.
        stage: String,
    },
    /// A stage takes files from one that comes later.
    #[error("stage `{stage}` cannot take files from stage `{from}`, which comes after it")]
    LaterStage {
        /// The one that takes.
        stage: String,
        /// The one that is taken from.
        from: String,
    },
    /// `--from=N` names no stage.
    #[error("there is no stage number {index}: the Dockerfile has {count}, counted from 0")]
    UnknownStageNumber {
        /// The number.
        index: String,
        /// How many stages there are.
        count: usize,
    },
    /// A mount takes files from a number.
    #[error("`from={index}`: mounts take stages by name, not by number")]
    MountFromNumber {
        /// The number.
        index: String,
    },
    /// `--from` has a variable.
    #[error("variables are not expanded in `--from`")]
    VariableInFrom {
        /// Where the flag stands.
        place: Span,
    },
    /// FROM expands to nothing.
    #[error("the base `{expression}` expands to nothing")]
    BlankBase {
        /// What was expanded.
        expression: String,
    },
    /// A name of an image cannot be one.
    #[error("`{name}` is neither a stage nor the name of an image: {reason}")]
    ImageName {
        /// The name.
        name: String,
        /// Why not.
        reason: String,
        /// A stage with nearly that name.
        nearest: Option<String>,
    },
    /// `--platform` cannot be one.
    #[error("`{text}` is no platform: {reason}")]
    Platform {
        /// What was given.
        text: String,
        /// Why not.
        reason: String,
    },
    /// A platform whose processes cannot run here.
    #[error("images for {platform} cannot be built: only those for linux can")]
    UnsupportedSystem {
        /// The platform.
        platform: String,
    },
    /// A word does not expand.
    #[error("`{word}` cannot be expanded: {error}")]
    Expansion {
        /// The word.
        word: String,
        /// Why not.
        error: WordError,
        /// Where it stands.
        place: Span,
    },
    /// A trigger that the base of a stage brought.
    #[error("in the trigger `ONBUILD {trigger}` of the base: {problem}")]
    Trigger {
        /// The trigger.
        trigger: String,
        /// What is wrong with it.
        problem: Box<Problem>,
    },
    /// COPY of what only ADD takes.
    #[error("COPY cannot take {what} as a source: `{source_text}`")]
    RemoteCopy {
        /// A URL or a git repository.
        what: &'static str,
        /// The source.
        source_text: String,
    },
    /// A git source with impossible parameters.
    #[error("the git repository `{source_text}`: {reason}")]
    Git {
        /// The source.
        source_text: String,
        /// What is wrong.
        reason: String,
    },
    /// `--checksum` where it means nothing, or that is none.
    #[error("--checksum: {reason}")]
    Checksum {
        /// What is wrong.
        reason: String,
    },
    /// `--chmod` that is no mode.
    #[error("invalid mode `{mode}` in --chmod: {reason}")]
    Chmod {
        /// The mode.
        mode: String,
        /// Why not.
        reason: String,
    },
    /// EXPOSE of what is no port.
    #[error("invalid port `{port}`: {reason}")]
    Port {
        /// The argument.
        port: String,
        /// Why not.
        reason: String,
    },
    /// VOLUME of nothing.
    #[error("a volume cannot be an empty text")]
    EmptyVolume,
    /// STOPSIGNAL of what is no signal.
    #[error("`{signal}` is no signal")]
    Signal {
        /// The argument.
        signal: String,
    },
    /// `--mount` that cannot be.
    #[error("--mount: {reason}")]
    Mount {
        /// What is wrong.
        reason: String,
        /// What would be right.
        help: Option<String>,
        /// Where the flag stands, if it is one.
        place: Option<Span>,
    },
    /// RUN of nothing.
    #[error("there is nothing to run")]
    EmptyCommand,
    /// A step demands what the user did not allow.
    #[error("the step needs the permission {}, which was not given", entitlement.name())]
    NotAllowed {
        /// The permission.
        entitlement: Entitlement,
    },
    /// Something that BuildKit does and this does not.
    #[error("{what} is not supported")]
    Unsupported {
        /// What.
        what: String,
        /// The way out.
        help: String,
    },
    /// A build arg with a meaning of its own has a value that it cannot have.
    #[error("the build arg {name}: {reason}")]
    BuildArg {
        /// The name.
        name: String,
        /// What is wrong.
        reason: String,
        /// The way out.
        help: String,
    },
    /// `# check=` with impossible settings.
    #[error("invalid `check` directive: {reason}")]
    CheckSettings {
        /// What is wrong.
        reason: String,
    },
    /// The Dockerfile asks for a failure where it does not follow these rules.
    #[error("the Dockerfile does not follow the rules {}, and `error=true` makes that an error", rules.join(", "))]
    Checks {
        /// Their names.
        rules: Vec<&'static str>,
    },
    /// The graph refuses a node.
    #[error(transparent)]
    Graph(#[from] GraphError),
}

impl Problem {
    /// How checks are set.
    pub(crate) const SETTINGS_HELP: &str = "settings are written as `skip=RuleA,RuleB;error=true`";

    /// The problem at a place, or where it knows better.
    pub(crate) fn at(self, span: Span) -> Error {
        let better = match &self {
            Self::Expansion { place, .. } | Self::VariableInFrom { place } => Some(*place),
            Self::Mount { place, .. } => *place,
            _ => None,
        };
        Error {
            span: Some(better.unwrap_or(span)),
            problem: self,
        }
    }

    /// The problem of something that does not stand in the Dockerfile.
    pub(crate) fn nowhere(self) -> Error {
        Error {
            problem: self,
            span: None,
        }
    }

    /// What the user can do about it.
    pub fn help(&self) -> Option<String> {
        let text = match self {
            Self::UnknownTarget { nearest: Some(nearest), .. } => return did_you_mean(nearest),
            Self::UnknownTarget { names, .. } if names.is_empty() => {
                "no stage has a name: `FROM image AS name` gives it one".to_owned()
            }
            Self::UnknownTarget { names, .. } => format!("the stages are: {}", names.join(", ")),
            Self::Circular { .. } => "a stage can only use stages that come before it".to_owned(),
            Self::LaterStage { from, .. } => format!("move stage `{from}` before the one that uses it"),
            Self::MountFromNumber { .. } => "give the stage a name: `FROM image AS name`".to_owned(),
            Self::VariableInFrom { .. } => "give the image a stage of its own (`ARG` and `FROM image:$ARG AS name` at the top), and \
                 copy from that"
                .to_owned(),
            Self::BlankBase { .. } => {
                "declare the arg with a default before the first FROM, or give it with --build-arg".to_owned()
            }
            Self::ImageName { nearest: Some(nearest), .. } => return did_you_mean(nearest),
            Self::Platform { .. } => "platforms are written as linux/amd64 or linux/arm64/v8".to_owned(),
            Self::Trigger { problem, .. } => return problem.help(),
            Self::RemoteCopy { .. } => "use ADD".to_owned(),
            Self::Chmod { .. } => "write it as 755 or u=rwX,go=rX".to_owned(),
            Self::Port { .. } => "ports are written as 80, 8000-8010 or 53/udp".to_owned(),
            Self::Signal { .. } => "signals are written as SIGTERM, TERM or 15".to_owned(),
            Self::Mount { help, .. } => return help.clone(),
            Self::Syntax(problem) => return problem.help(),
            Self::Expansion { error, .. } => return error.help(),
            Self::Frontend { .. } => "remove the `# syntax=` line, or name docker/dockerfile:1".to_owned(),
            Self::CheckSettings { .. } => Self::SETTINGS_HELP.to_owned(),
            Self::Checks { .. } => "the warnings say where; `skip=RULE` leaves one out".to_owned(),
            Self::EmptyCommand => "put a program into the list".to_owned(),
            Self::NotAllowed { entitlement } => format!("pass --allow {}", entitlement.name()),
            Self::Unsupported { help, .. } | Self::BuildArg { help, .. } => help.clone(),
            _ => return None,
        };
        Some(text)
    }
}

fn did_you_mean(name: &str) -> Option<String> {
    Some(format!("did you mean `{name}`?"))
}

impl Error {
    /// What the user can do about it.
    pub fn help(&self) -> Option<String> {
        self.problem.help()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.fmt(f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.problem)
    }
}

impl From<parser::Error> for Error {
    fn from(error: parser::Error) -> Self {
        Problem::Syntax(error.problem).at(error.span)
    }
}

impl From<GraphError> for Error {
    fn from(error: GraphError) -> Self {
        Problem::Graph(error).nowhere()
    }
}
