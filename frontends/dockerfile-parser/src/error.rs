//! Why a text is no Dockerfile: the place, what is wrong there, and what would be right.

use std::fmt;

use crate::span::Span;
use crate::word_error::WordError;

/// A problem and the place where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What is wrong.
    pub problem: Problem,
    /// Where.
    pub span: Span,
}

/// What can be wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// There is no instruction.
    #[error("the Dockerfile has no instructions")]
    NoInstruction,
    /// There is no FROM.
    #[error("the Dockerfile has no stage to build")]
    NoStage,
    /// An instruction other than ARG before the first FROM.
    #[error("{instruction} stands before the first FROM")]
    BeforeFrom {
        /// Its keyword.
        instruction: String,
    },
    /// A line that the reference does not read either.
    #[error("the line is longer than {limit} bytes")]
    LineTooLong {
        /// What is allowed.
        limit: usize,
    },
    /// A directive that is there already.
    #[error("only one `{name}` directive can be used")]
    DirectiveTwice {
        /// Its name.
        name: &'static str,
    },
    /// `# escape=` with what is no escape character.
    #[error("`{value}` is no escape character")]
    Escape {
        /// The value.
        value: String,
    },
    /// A keyword that there is not.
    #[error("unknown instruction: {name}")]
    UnknownInstruction {
        /// The keyword.
        name: String,
        /// The one that was probably meant.
        nearest: Option<String>,
    },
    /// A flag that the instruction does not have.
    #[error("{instruction} has no flag {flag}")]
    UnknownFlag {
        /// The instruction.
        instruction: &'static str,
        /// The flag.
        flag: String,
        /// The one that was probably meant.
        nearest: Option<String>,
        /// Those that there are.
        known: Vec<&'static str>,
    },
    /// A flag that is there already.
    #[error("the flag {flag} is there twice")]
    FlagTwice {
        /// The flag.
        flag: String,
    },
    /// A flag without its value.
    #[error("the flag {flag} has no value")]
    FlagValue {
        /// The flag.
        flag: String,
    },
    /// A flag that is true or false.
    #[error("the flag {flag} is true or false, not `{value}`")]
    FlagNotBoolean {
        /// The flag.
        flag: String,
        /// The value.
        value: String,
    },
    /// A value that the flag does not take.
    #[error("{flag}: {reason}")]
    FlagNotValid {
        /// The flag.
        flag: &'static str,
        /// Why not.
        reason: String,
        /// What would be right.
        help: String,
    },
    /// Arguments where there must be one.
    #[error("{instruction} takes exactly one argument")]
    NotOneArgument {
        /// The instruction.
        instruction: &'static str,
    },
    /// No argument.
    #[error("{instruction} takes at least one argument")]
    NoArgument {
        /// The instruction.
        instruction: &'static str,
    },
    /// A copy without a source or a destination.
    #[error("{instruction} takes at least two arguments: a source and a destination")]
    NoDestination {
        /// The instruction.
        instruction: &'static str,
    },
    /// A here-document as destination.
    #[error("the destination of {instruction} cannot be a here-document")]
    HeredocDestination {
        /// The instruction.
        instruction: &'static str,
    },
    /// FROM with too few or too many arguments.
    #[error("FROM takes one argument, or three: `image AS name`")]
    FromArguments,
    /// A stage with an impossible name.
    #[error("`{name}` cannot be the name of a stage")]
    StageName {
        /// The name.
        name: String,
    },
    /// `ENV name` without a value.
    #[error("{instruction} takes a name and a value")]
    NoValue {
        /// The instruction.
        instruction: &'static str,
    },
    /// `ENV a=b c`.
    #[error("`{word}` has no `=`")]
    NoEquals {
        /// The word.
        word: String,
        /// The instruction.
        instruction: &'static str,
    },
    /// `ENV =value`.
    #[error("{instruction} of an empty name")]
    BlankName {
        /// The instruction.
        instruction: &'static str,
    },
    /// A JSON list with something else than strings.
    #[error("a command in JSON form consists of strings only")]
    NotStrings,
    /// SHELL of another form.
    #[error("SHELL takes its arguments in JSON form")]
    ShellForm,
    /// VOLUME of nothing.
    #[error("a volume cannot be an empty text")]
    EmptyVolume,
    /// HEALTHCHECK of another kind.
    #[error("unknown kind of health check: {kind}")]
    HealthcheckKind {
        /// The word.
        kind: String,
    },
    /// `HEALTHCHECK NONE` with arguments.
    #[error("HEALTHCHECK NONE takes no arguments")]
    HealthcheckNone,
    /// `HEALTHCHECK CMD` without a command.
    #[error("HEALTHCHECK CMD needs a command")]
    HealthcheckCommand,
    /// An instruction that cannot be a trigger.
    #[error("{instruction} cannot be an ONBUILD trigger")]
    Trigger {
        /// The instruction.
        instruction: String,
    },
    /// A trigger that is more, or less, than an instruction.
    #[error("the text is not a single instruction")]
    NotOneInstruction,
    /// A here-document without end.
    #[error("the here-document `{name}` is not terminated")]
    OpenHeredoc {
        /// Its name.
        name: String,
    },
    /// A word that cannot be read.
    #[error(transparent)]
    Word(#[from] WordError),
}

impl Problem {
    /// The problem at a place.
    pub(crate) fn at(self, span: Span) -> Error {
        Error {
            problem: self,
            span,
        }
    }

    /// What would be right.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        let text = match self {
            Self::NoInstruction | Self::NoStage => "start with `FROM image`, or `FROM scratch`",
            Self::BeforeFrom { .. } => "only ARG can stand before the first FROM",
            Self::LineTooLong { .. } => "break it with a continuation character, or copy a file",
            Self::DirectiveTwice { .. } => "remove one of them",
            Self::Escape { .. } => "write `# escape=\\` or `# escape=` with a backtick",
            Self::UnknownInstruction { nearest, .. } => {
                return did_you_mean(nearest.as_deref()).or_else(|| {
                    Some(
                        "if it continues the line above, that one must end with the escape character"
                            .to_owned(),
                    )
                });
            }
            Self::UnknownFlag { nearest, known, .. } => {
                return did_you_mean(nearest.as_deref()).or_else(|| {
                    let known: Vec<String> = known.iter().map(|flag| format!("--{flag}")).collect();
                    Some(match known.as_slice() {
                        [] => "it has no flags at all".to_owned(),
                        known => format!("its flags are: {}", known.join(", ")),
                    })
                });
            }
            Self::FlagTwice { .. } => "remove one of them",
            Self::FlagValue { flag } => return Some(format!("write it as {flag}=value")),
            Self::FlagNotBoolean { flag, .. } => {
                return Some(format!("write {flag} or {flag}=false"));
            }
            Self::FlagNotValid { help, .. } => return Some(help.clone()),
            Self::NotOneArgument { .. } | Self::NoArgument { .. } => return None,
            Self::NoDestination { .. } => {
                "write the destination last, `.` for the working directory"
            }
            Self::HeredocDestination { .. } => {
                "write the destination last, the documents before it"
            }
            Self::FromArguments => "write it as `FROM image` or `FROM image AS name`",
            Self::StageName { .. } => {
                "names start with a letter and consist of letters, digits and `-_.`"
            }
            Self::NoValue { instruction } | Self::NoEquals { instruction, .. } => {
                return Some(format!(
                    "write it as `{instruction} name=value`, with quotes around a value that has spaces"
                ));
            }
            Self::BlankName { .. } => "write a name before the `=`",
            Self::NotStrings => "put every element into double quotes",
            Self::ShellForm => "write it as `SHELL [\"/bin/bash\", \"-c\"]`",
            Self::EmptyVolume => "name a directory",
            Self::HealthcheckKind { .. } | Self::HealthcheckCommand => {
                "write it as `HEALTHCHECK CMD command` or `HEALTHCHECK NONE`"
            }
            Self::HealthcheckNone => "remove the arguments, or write CMD before them",
            Self::Trigger { .. } => {
                "triggers are the instructions that can follow a FROM, but ONBUILD and MAINTAINER"
            }
            Self::NotOneInstruction => "write one instruction",
            Self::OpenHeredoc { name } => {
                return Some(format!(
                    "write `{name}` alone on a line behind it, without spaces around it"
                ));
            }
            Self::Word(error) => return error.help(),
        };
        Some(text.to_owned())
    }
}

fn did_you_mean(name: Option<&str>) -> Option<String> {
    name.map(|name| format!("did you mean `{name}`?"))
}

impl Error {
    /// What would be right.
    #[must_use]
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
        std::error::Error::source(&self.problem)
    }
}
