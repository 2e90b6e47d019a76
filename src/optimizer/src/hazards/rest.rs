//! What a command may take away from those behind the cut, which start anew: their working directory, their shell and its libraries, and the
//! groups of their user.

use stromatekt_graph::run::Run;

use super::paths::{PATTERN, ends, is_within, may_be_above, path_of};
use super::shown;
use crate::shell::{Command, Refusal, UNKNOWN, Word};

/// What shells are called.
const SHELL_NAMES: &[&str] = &["ash", "bash", "busybox", "dash", "sh"];

/// Where shells are, and the libraries that they are linked with.
const OF_SHELLS: &[&str] = &[
    "/bin",
    "/lib",
    "/lib64",
    "/usr/bin",
    "/usr/lib",
    "/usr/lib64",
];

/// How the names of those libraries start, the program that loads them among them.
const LIBRARIES: &[&str] = &[
    "ld-",
    "libc.",
    "libc-",
    "libdl",
    "libncurses",
    "libreadline",
    "libtinfo",
];

/// Programs that put files where others were.
const PLACERS: &[&str] = &["cp", "install", "link", "ln", "mv", "rsync"];

/// Programs that add users, or groups of users.
const USER_TOOLS: &[&str] = &["addgroup", "adduser", "groupadd", "useradd"];

/// Whether a text is the path of a shell, or the name of a package that brings one as `/bin/sh`.
pub fn is_shell(text: &str) -> bool {
    let is_path = text.rsplit_once('/').is_some_and(|(directory, name)| {
        let is_path = directory.trim_start_matches(UNKNOWN).starts_with('/');
        is_path && directory.ends_with("bin") && SHELL_NAMES.contains(&name)
    });
    is_path || text.contains("binsh")
}

/// Refuses a command, which is not the last one, that may take something away.
pub fn check(run: &Run, command: &Command) -> Result<(), Refusal> {
    let refuse = |reason: String| Err(Refusal(reason));
    let program = command.words.first();
    let program = program.map_or("", |word| file_name(&word.text));
    if run.cwd != "/" && may_replace(program, command, &run.cwd) {
        return refuse(format!("it may remove its working directory {}", run.cwd));
    }
    if may_remove_shell(program, command, &run.cwd) {
        return refuse(format!(
            "`{program}` may remove the shell that would run the rest"
        ));
    }
    let words = || command.arguments().iter();
    let is_of_packages = removes_packages(program, command);
    let mut named = words().filter(|word| SHELL_NAMES.contains(&file_name(&word.text)));
    if (is_of_packages || PLACERS.contains(&program))
        && let Some(word) = named.next()
    {
        return refuse(format!(
            "{} may be the shell that would run the rest",
            shown(&word.text)
        ));
    }
    // Alpine's own shell is busybox; others are packages that may go.
    let shell = run.args.first().map_or("", |shell| file_name(shell));
    if program == "apk" && is_of_packages && shell == "bash" {
        return refuse("it may remove the shell that would run the rest".into());
    }
    let user = run.user.split(':').next().unwrap_or_default();
    let is_user = |word: &&Word| {
        let mut names = word.text.split([',', '=', ':', UNKNOWN]);
        names.any(|name| name == "root" || (!name.is_empty() && name == user))
    };
    if USER_TOOLS.contains(&program)
        && let Some(word) = words().find(is_user)
    {
        return refuse(format!(
            "`{program}` may change the groups of {}, who runs the rest",
            shown(&word.text)
        ));
    }
    Ok(())
}

fn file_name(text: &str) -> &str {
    text.rsplit('/').next().unwrap_or(text)
}

fn has(command: &Command, any: &[&str]) -> bool {
    let mut words = command.arguments().iter();
    words.any(|word| any.contains(&word.text.as_str()))
}

/// Whether a command may remove, move or replace a directory, or one above it.
fn may_replace(program: &str, command: &Command, directory: &str) -> bool {
    let mut operands = command.arguments().iter();
    match program {
        "rm" | "rmdir" | "mv" | "unlink" | "update-alternatives" => {
            operands.any(|word| may_be_above(word, directory))
        }
        // It replaces a symbolic link by another one.
        "ln" => operands
            .next_back()
            .is_some_and(|word| may_be_above(word, directory)),
        "find" => has(command, &["-delete", "-exec", "-execdir"]),
        "rsync" => operands.any(|word| word.text.starts_with("--del")),
        _ => false,
    }
}

/// Whether a command removes what a shell needs to start.
fn may_remove_shell(program: &str, command: &Command, cwd: &str) -> bool {
    let is_operand = |word: &&Word| !word.text.starts_with('-');
    let operands: Vec<&Word> = command.arguments().iter().filter(is_operand).collect();
    let removed = match program {
        "rm" | "rmdir" | "unlink" => operands.as_slice(),
        // Nothing moves over a directory that has files.
        "mv" => operands.split_last().map_or(&[][..], |(_, moved)| moved),
        "rsync" if may_replace(program, command, cwd) => operands.as_slice(),
        "find" => return finds_shell(command, cwd),
        _ => return false,
    };
    removed.iter().any(|word| {
        let path = path_of(word, cwd);
        OF_SHELLS.iter().any(|of| may_be_at_or_above(&path, of)) || may_be_of_shell(&path)
    })
}

/// Whether `find` removes what it finds, and that may be a shell or its libraries.
fn finds_shell(command: &Command, cwd: &str) -> bool {
    let words = command.arguments();
    let is_test = |word: &Word| word.text.starts_with(['-', '(', '!']);
    let end = words.iter().position(is_test).unwrap_or(words.len());
    let (starts, tests) = words.split_at(end);
    let removes = has(command, &["-delete", "rm", "rmdir"]);
    let mut paths = starts.iter().map(|word| path_of(word, cwd));
    let looks_there = starts.is_empty()
        || paths.any(|path| {
            let mut of_shells = OF_SHELLS.iter();
            of_shells.any(|of| may_be_at_or_above(&path, of) || is_within(&path, of))
        });
    if !removes || !looks_there {
        return false;
    }
    let values = tests.iter().zip(tests.iter().skip(1));
    let names: Vec<&str> = values
        .filter(|(test, _)| matches!(test.text.as_str(), "-name" | "-iname"))
        .map(|(_, name)| name.text.as_str())
        .collect();
    let alternatives = tests.iter().filter(|test| test.text == "-o").count();
    names.len() <= alternatives
        || has(command, &["!", "-not", ",", "-or"])
        || names
            .iter()
            .any(|name| may_be_shell(name) || may_be_library(name))
}

/// Whether a path, which may be a pattern, is a directory or one above it.
fn may_be_at_or_above(path: &str, directory: &str) -> bool {
    match path.find(PATTERN) {
        None if path.is_empty() => false,
        Some(fixed) => directory.starts_with(&path[..fixed]),
        None => is_within(directory, path),
    }
}

/// Whether a path, which may be a pattern, is a shell or a library that it is linked with.
fn may_be_of_shell(path: &str) -> bool {
    let Some((directory, name)) = path.rsplit_once('/') else {
        return false;
    };
    let is_of_machine = |parent: &str, name: &str| {
        matches!(parent, "/lib" | "/usr/lib") && name.contains("-linux-")
    };
    let is_there = OF_SHELLS.contains(&directory)
        || directory
            .rsplit_once('/')
            .is_some_and(|(parent, name)| is_of_machine(parent, name))
        || directory.contains(PATTERN);
    is_there && (may_be_shell(name) || may_be_library(name))
}

fn may_be_shell(name: &str) -> bool {
    let (start, end) = ends(name);
    let fits = |shell: &&str| shell.starts_with(start) && shell.ends_with(end);
    match name.contains(PATTERN) {
        true => SHELL_NAMES.iter().any(fits),
        false => SHELL_NAMES.contains(&name),
    }
}

fn may_be_library(name: &str) -> bool {
    let (start, end) = ends(name);
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    let end = end.trim_end_matches(is_number);
    let fits = |library: &&str| library.starts_with(start) || start.starts_with(*library);
    LIBRARIES.iter().any(fits) && (end.is_empty() || end.ends_with("so"))
}

/// Whether a command removes packages.
fn removes_packages(program: &str, command: &Command) -> bool {
    match program {
        "apk" => has(command, &["del"]),
        "apt" | "apt-get" | "dnf" | "microdnf" | "tdnf" | "yum" => {
            has(command, &["autoremove", "erase", "purge", "remove"])
        }
        "dpkg" => has(command, &["-P", "-r", "--purge", "--remove"]),
        "rpm" => has(command, &["-e", "--erase"]),
        _ => false,
    }
}
