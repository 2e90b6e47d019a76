//! The instructions, typed: what each has been given, checked as far as that can be done without expanding anything.

use crate::comments::Comments;
use crate::heredoc::{self, Heredoc};
use crate::span::{Span, Word};

/// An instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// From its keyword to its end, here-documents included.
    pub span: Span,
    /// Its logical line: continuation lines joined, no spaces around it, without here-documents.
    pub text: String,
    /// Its keyword as it is written.
    pub keyword: String,
    /// The comments before it.
    pub comments: Comments,
    /// Which one it is.
    pub kind: Kind,
}

/// The instructions that can follow a FROM. (ARG can stand before it, too.)
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// ADD.
    Add(Add),
    /// ARG.
    Arg(Vec<Arg>),
    /// CMD.
    Cmd(CommandLine),
    /// COPY.
    Copy(Copy),
    /// ENTRYPOINT.
    Entrypoint(CommandLine),
    /// ENV.
    Env(Vec<Pair>),
    /// EXPOSE: ports, in the order of their bytes.
    Expose(Vec<Word>),
    /// HEALTHCHECK.
    Healthcheck(Healthcheck),
    /// LABEL.
    Label(Vec<Pair>),
    /// MAINTAINER.
    Maintainer(Word),
    /// ONBUILD.
    OnBuild(OnBuild),
    /// RUN.
    Run(Run),
    /// SHELL.
    Shell(Vec<Word>),
    /// STOPSIGNAL.
    StopSignal(Word),
    /// USER.
    User(Word),
    /// VOLUME.
    Volume(Vec<Word>),
    /// WORKDIR.
    WorkDir(Word),
}

impl Kind {
    /// The keyword.
    #[must_use]
    pub fn keyword(&self) -> &'static str {
        match self {
            Self::Add(_) => "ADD",
            Self::Arg(_) => "ARG",
            Self::Cmd(_) => "CMD",
            Self::Copy(_) => "COPY",
            Self::Entrypoint(_) => "ENTRYPOINT",
            Self::Env(_) => "ENV",
            Self::Expose(_) => "EXPOSE",
            Self::Healthcheck(_) => "HEALTHCHECK",
            Self::Label(_) => "LABEL",
            Self::Maintainer(_) => "MAINTAINER",
            Self::OnBuild(_) => "ONBUILD",
            Self::Run(_) => "RUN",
            Self::Shell(_) => "SHELL",
            Self::StopSignal(_) => "STOPSIGNAL",
            Self::User(_) => "USER",
            Self::Volume(_) => "VOLUME",
            Self::WorkDir(_) => "WORKDIR",
        }
    }
}

/// The keywords of all instructions.
pub const KEYWORDS: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// FROM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct From {
    /// The whole instruction.
    pub span: Span,
    /// Its logical line.
    pub text: String,
    /// Its keyword as it is written.
    pub keyword: String,
    /// The comments before it.
    pub comments: Comments,
    /// The base: an image, an earlier stage, or `scratch`.
    pub base: Word,
    /// The name of the stage, in lower case.
    pub name: Option<Word>,
    /// `AS` and the name as they are written, where there is a name.
    pub alias: Option<(String, String)>,
    /// `--platform`.
    pub platform: Option<Word>,
}

/// A name with a value (ENV, LABEL).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The name.
    pub name: Word,
    /// The value.
    pub value: Word,
    /// `ENV name value`, without `=`.
    pub is_old_form: bool,
}

/// A declared arg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arg {
    /// Its name.
    pub name: Word,
    /// Its default.
    pub default: Option<Word>,
}

/// A command in one of its forms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandLine {
    /// A JSON list: the argument vector.
    Exec(Vec<Word>),
    /// A text for the shell. It can be empty.
    Shell(Word),
}

/// What COPY and ADD have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Sources, here-documents aside.
    pub sources: Vec<Word>,
    /// Here-documents.
    pub documents: Vec<Document>,
    /// The destination.
    pub destination: Word,
    /// `--chown`.
    pub chown: Option<Word>,
    /// `--chmod`.
    pub chmod: Option<Word>,
    /// `--link`.
    pub link: bool,
    /// `--exclude`.
    pub exclude: Vec<Word>,
}

/// A here-document as a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The name of its file.
    pub name: String,
    /// The content of its file, tabs removed where `<<-` says so.
    pub content: String,
    /// Whether variables in it are expanded.
    pub expand: bool,
    /// Where `<<NAME` stands.
    pub span: Span,
}

/// COPY.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// What is copied, and where.
    pub files: Transfer,
    /// `--from`.
    pub from: Option<Word>,
    /// `--parents`.
    pub parents: bool,
}

/// ADD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Add {
    /// What is copied, and where.
    pub files: Transfer,
    /// `--checksum`.
    pub checksum: Option<Word>,
    /// `--keep-git-dir`, if it is there.
    pub keep_git_dir: Option<bool>,
    /// `--unpack`, if it is there.
    pub unpack: Option<bool>,
}

/// RUN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The command.
    pub command: CommandLine,
    /// Its here-documents.
    pub heredocs: Vec<Heredoc>,
    /// `--mount`.
    pub mounts: Vec<Mount>,
    /// `--network`.
    pub network: Network,
    /// `--security`.
    pub security: Security,
    /// `--device`.
    pub devices: Vec<Device>,
}

impl Run {
    /// The here-document that is the command, where the instruction is nothing but `<<NAME`.
    #[must_use]
    pub fn script(&self) -> Option<&Heredoc> {
        let CommandLine::Shell(text) = &self.command else {
            return None;
        };
        let first = self.heredocs.first()?;
        heredoc::opening(&text.value).ok()??;
        Some(first)
    }
}

/// `--mount`, its fields as they are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The fields: `key=value`, or `key` alone.
    pub fields: Vec<String>,
    /// Where the flag stands.
    pub span: Span,
}

impl Mount {
    /// Keys and values in order.
    pub fn entries(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.fields.iter().map(|field| match field.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (field.as_str(), None),
        })
    }

    /// The last `from` with a value.
    #[must_use]
    pub fn from(&self) -> Option<&str> {
        self.entries()
            .filter(|(key, _)| key.eq_ignore_ascii_case("from"))
            .filter_map(|(_, value)| value)
            .last()
            .filter(|value| !value.is_empty())
    }
}

/// `--network`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// What the build has.
    #[default]
    Default,
    /// None.
    None,
    /// The host's.
    Host,
}

/// `--security`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Security {
    /// As usual.
    #[default]
    Sandbox,
    /// All privileges.
    Insecure,
}

/// `--device`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// Whether the step fails without it.
    pub required: bool,
    /// Where the flag stands.
    pub span: Span,
}

/// HEALTHCHECK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Healthcheck {
    /// None, not even that of the base.
    None,
    /// A command. Durations are nanoseconds, 0 where they are not given; so are the retries.
    Command {
        /// The command.
        command: CommandLine,
        /// `--interval`.
        interval: i64,
        /// `--timeout`.
        timeout: i64,
        /// `--start-period`.
        start_period: i64,
        /// `--start-interval`.
        start_interval: i64,
        /// `--retries`.
        retries: i32,
    },
}

/// ONBUILD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnBuild {
    /// The trigger as an image keeps it: the rest of the instruction, here-documents included.
    pub trigger: String,
    /// Where it stands.
    pub span: Span,
}
