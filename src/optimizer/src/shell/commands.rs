//! The commands of which it is known what they leave behind: files, and nothing in the shell, no job, no daemon that a later one asks.
//!
//! What is not in these tables may do anything, so a chain with it stays whole.

use super::managers::package_manager;
use super::tables::{
    BUILTINS, CHECKERS, COMPILERS, FILE_PLACERS, FILE_TOOLS, STATE, USUAL_TARGETS,
};
use super::{Command, Refusal, UNKNOWN, Word};

/// What is known of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// How long it may take.
    pub cost: Cost,
    /// Which programs may come to be found by their names, or others than before.
    pub installs: Installs,
    /// The index of packages that it fetches or goes by.
    pub index: Index,
    /// Whether it fetches what may be another thing tomorrow.
    pub is_download: bool,
}

/// How long a command may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cost {
    /// No longer than it takes to start a process.
    Small,
    /// As `Small`; and it removes what the command before has left.
    Cleanup,
    /// Longer than another step costs.
    Large,
}

/// Which programs a command may put where the shell looks for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Installs {
    /// None.
    Nothing,
    /// Those of a distribution whose packages do not have each other's programs.
    Packages,
    /// Any.
    Anything,
}

/// What a command has to do with something that is another thing tomorrow and that later commands go by: an index of packages, the commits of
/// a repository, what was downloaded; by the family of those who do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Index {
    /// Nothing.
    Unused,
    /// It fetches it.
    Fetched(&'static str),
    /// It goes by what is there.
    Used(&'static str),
}

pub(super) const SMALL: Known = Known {
    cost: Cost::Small,
    installs: Installs::Nothing,
    index: Index::Unused,
    is_download: false,
};
pub(super) const CLEANUP: Known = Known {
    cost: Cost::Cleanup,
    ..SMALL
};
pub(super) const LARGE: Known = Known {
    cost: Cost::Large,
    ..SMALL
};
pub(super) const INSTALLER: Known = Known {
    installs: Installs::Anything,
    ..LARGE
};
/// What removes packages: another program may come to be found by a name.
pub(super) const REMOVER: Known = Known {
    installs: Installs::Anything,
    ..CLEANUP
};
const DOWNLOAD: Known = Known {
    is_download: true,
    index: Index::Fetched("downloads"),
    ..LARGE
};

/// Whether the shell knows a command by itself, and never looks for a program of that name.
#[must_use]
pub fn is_builtin(name: &str) -> bool {
    BUILTINS.contains(&name)
}

/// What is known of a command.
///
/// # Errors
/// Why it may leave anything behind.
pub fn look_up(command: &Command) -> Result<Known, Refusal> {
    let unknown = |name: &str| {
        Refusal(format!(
            "it is not known what `{name}` leaves in the shell or running"
        ))
    };
    let Some(first) = command.words.first().filter(|word| word.is_literal) else {
        return Err(Refusal("only the shell knows which command it is".into()));
    };
    let name = first.text.as_str();
    if let Some((_, what)) = STATE.iter().find(|(other, _)| *other == name) {
        return Err(Refusal(format!("`{name}` {what}")));
    }
    if name == ":" && !command.assignments.is_empty() {
        return Err(Refusal(
            "an assignment before `:` changes the shell's variables".into(),
        ));
    }
    if name == "printf"
        && command
            .arguments()
            .first()
            .is_none_or(|word| word.text.starts_with(['-', UNKNOWN]))
    {
        return Err(Refusal(
            "`printf` may change the shell's variables (`-v`)".into(),
        ));
    }
    let program = match name.rsplit_once('/') {
        Some(("/bin" | "/sbin" | "/usr/bin" | "/usr/sbin" | "/usr/local/bin", program)) => program,
        _ => name,
    };
    let arguments = command.arguments();
    let known = match program {
        "rm" => Some(CLEANUP),
        "command" => arguments
            .first()
            .is_some_and(|word| word.text == "-v")
            .then_some(SMALL),
        "find" => find(arguments),
        "gpg" => has(arguments, &["--dearmor"]).then_some(SMALL),
        program if CHECKERS.contains(&program) => Some(Known {
            index: Index::Used("downloads"),
            ..SMALL
        }),
        program if is_builtin(program) || FILE_TOOLS.contains(&program) => Some(SMALL),
        "rsync" if has(arguments, &["--daemon"]) => None,
        program if FILE_PLACERS.contains(&program) => Some(Known {
            installs: Installs::Anything,
            ..SMALL
        }),
        "make" | "ninja" if !arguments_are_usual(arguments) => None,
        "cmake" if !cmake_is_usual(arguments) => None,
        "wget" if arguments.iter().any(goes_to_background) => None,
        program if COMPILERS.contains(&program) => {
            let installs = arguments
                .iter()
                .any(|word| word.text.contains("install") && !word.text.starts_with("--prefix"));
            Some(if installs { INSTALLER } else { LARGE })
        }
        "curl" | "wget" => Some(DOWNLOAD),
        "git" => git(arguments),
        "python" | "python3" => python(arguments),
        program => package_manager(program, arguments),
    };
    let known = known.ok_or_else(|| unknown(&shown(command, program)))?;
    Ok(with_programs(known, command))
}

/// Whether all that a `make` is to make has a name that is about files: a target of another name may start a server for a later one.
fn arguments_are_usual(arguments: &[Word]) -> bool {
    let mut rest = arguments.iter();
    while let Some(word) = rest.next() {
        let text = word.text.as_str();
        let takes_value = ["-C", "-f", "-I", "-j", "-k", "-l", "-o", "-W"].contains(&text);
        let has_number = matches!(text, "-j" | "-k" | "-l");
        if takes_value {
            let mut ahead = rest.clone();
            let value = ahead.next();
            // `make -j install`: the number may be left out.
            if !has_number || value.is_some_and(is_number) {
                rest = ahead;
            }
        } else if !text.starts_with('-') && !text.contains('=') && !is_usual_target(word) {
            return false;
        }
    }
    true
}

/// Whether `cmake` runs no script and no other program, and builds what it is usually asked for.
fn cmake_is_usual(arguments: &[Word]) -> bool {
    let mut names_targets = false;
    arguments.iter().all(|word| {
        let text = word.text.as_str();
        if text.starts_with('-') {
            // All words up to the next option are targets, or words for `make`.
            names_targets = matches!(text, "--target" | "-t" | "--");
        }
        let is_usual = text.starts_with('-') || !names_targets || is_usual_target(word);
        is_usual && !["-E", "-P"].iter().any(|mode| text.starts_with(mode))
    })
}

/// Whether an option of `wget` has it go on in the background (`-b`, also among others).
fn goes_to_background(word: &Word) -> bool {
    match word.text.strip_prefix('-') {
        Some(option) if option.starts_with("-b") => "-background".starts_with(option),
        Some(letters) => letters.chars().all(char::is_alphabetic) && letters.contains('b'),
        None => false,
    }
}

/// A number, or what the shell computes in the place of one.
fn is_number(word: &Word) -> bool {
    word.text
        .chars()
        .all(|c| c.is_ascii_digit() || c == UNKNOWN)
}

fn is_usual_target(word: &Word) -> bool {
    let text = word.text.as_str();
    let starts = ["build", "compile", "install"];
    word.is_literal
        && (USUAL_TARGETS.contains(&text) || starts.iter().any(|start| text.starts_with(start)))
}

/// A command with a word that leads to programs may make another one be found by a name, whatever it is.
fn with_programs(known: Known, command: &Command) -> Known {
    let leads = |word: &Word| {
        !word.text.starts_with("-j") && (word.text.contains("bin") || word.text.contains(UNKNOWN))
    };
    // Tools that name what they write anywhere among their arguments.
    let is_writer = known.installs == Installs::Nothing && !is_harmless(command);
    let writes_programs =
        command.files.iter().any(leads) || (is_writer && command.arguments().iter().any(leads));
    match writes_programs {
        true => Known {
            installs: Installs::Anything,
            ..known
        },
        false => known,
    }
}

/// Makes no program: directories, output, checks.
fn is_harmless(command: &Command) -> bool {
    let harmless = ["mkdir", "grep", "uname", "nproc", "basename", "dirname"];
    let name = command.words.first().map_or("", |name| name.text.as_str());
    is_builtin(name) || CHECKERS.contains(&name) || harmless.contains(&name)
}

pub(super) fn has(arguments: &[Word], any: &[&str]) -> bool {
    arguments
        .iter()
        .any(|word| any.contains(&word.text.as_str()))
}

/// The command with what kind of it this is: `npm run`, `git gc`.
fn shown(command: &Command, program: &str) -> String {
    match subcommand(command.arguments(), &[]) {
        Some(sub)
            if [
                "python", "python3", "git", "npm", "yarn", "pnpm", "cargo", "go",
            ]
            .contains(&program) =>
        {
            format!("{program} {sub}")
        }
        _ => program.to_owned(),
    }
}

/// The first argument that is no option; options of `with_value` take the argument behind them. Nothing where only the shell knows it.
pub(super) fn subcommand<'a>(arguments: &'a [Word], with_value: &[&str]) -> Option<&'a str> {
    position(arguments, with_value)
        .and_then(|at| arguments.get(at))
        .filter(|word| word.is_literal)
        .map(|word| word.text.as_str())
}

pub(super) fn position(arguments: &[Word], with_value: &[&str]) -> Option<usize> {
    let mut at = 0;
    loop {
        let word = arguments.get(at)?;
        if with_value.contains(&word.text.as_str()) {
            at += 2;
        } else if word.text.starts_with('-') {
            at += 1;
        } else {
            return Some(at);
        }
    }
}

/// What `find` starts must be known as well.
fn find(arguments: &[Word]) -> Option<Known> {
    let started = [
        "chmod", "chown", "gzip", "rm", "rmdir", "sed", "strip", "touch", "ls", "grep", "file",
    ];
    let is_start =
        |word: &Word| matches!(word.text.as_str(), "-exec" | "-execdir" | "-ok" | "-okdir");
    arguments
        .iter()
        .zip(arguments.iter().skip(1))
        .filter(|(word, _)| is_start(word))
        .all(|(_, program)| program.is_literal && started.contains(&program.text.as_str()))
        .then_some(SMALL)
}

fn git(arguments: &[Word]) -> Option<Known> {
    let with_value = ["-C", "-c"];
    let at = position(arguments, &with_value)?;
    let second = arguments.get(at + 1).map_or("", |word| word.text.as_str());
    match (subcommand(arguments, &with_value)?, second) {
        // It runs any command.
        ("submodule", _) if has(arguments, &["foreach"]) => None,
        ("clone" | "fetch" | "ls-remote" | "pull" | "submodule", _) | ("remote", "update") => {
            Some(Known {
                index: Index::Fetched("git"),
                ..DOWNLOAD
            })
        }
        // The commit that they want may be one that is to be fetched first.
        (
            "archive" | "checkout" | "describe" | "log" | "reset" | "restore" | "rev-parse"
            | "show" | "switch" | "tag",
            _,
        ) => Some(Known {
            index: Index::Used("git"),
            ..SMALL
        }),
        ("add" | "am" | "apply" | "clean" | "config" | "init" | "remote" | "status", _) => {
            Some(SMALL)
        }
        _ => None,
    }
}

fn python(arguments: &[Word]) -> Option<Known> {
    let first = arguments.first().filter(|word| word.is_literal)?;
    let second = arguments.get(1).filter(|word| word.is_literal);
    match (first.text.as_str(), second.map(|word| word.text.as_str())) {
        ("-m", Some("pip")) => package_manager("pip", arguments.get(2..)?),
        ("-m", Some("build" | "compileall" | "ensurepip" | "venv"))
        | ("setup.py", Some("build" | "install" | "bdist_wheel" | "sdist")) => Some(INSTALLER),
        ("--version" | "-V", None) => Some(SMALL),
        _ => None,
    }
}
