//! What lets something else pass from one part of a `RUN` to the next than files of the tree, apart from the commands that it is made of: its
//! mounts and its environment, and what its commands name.

use std::path::Path;

use stromatekt_graph::path;
use stromatekt_graph::run::{MountSource, Run, Security, Sharing};

use crate::shell::{Command, Refusal, UNKNOWN, Word};

/// Shells by the paths that images have them at; a name alone might be another program after the cut.
pub(crate) const SHELLS: &[&str] = &[
    "/bin/ash",
    "/bin/bash",
    "/bin/dash",
    "/bin/sh",
    "/usr/bin/ash",
    "/usr/bin/bash",
    "/usr/bin/dash",
    "/usr/bin/sh",
];

/// Cache directories that programs fill again where they are empty; what is beneath them is the same.
const PURE_CACHES: &[&str] = &[
    "/ccache",
    "/go/pkg/mod",
    "/opt/conda/pkgs",
    "/root/.bun/install/cache",
    "/root/.cache",
    "/root/.cargo/git",
    "/root/.cargo/registry",
    "/root/.ccache",
    "/root/.composer/cache",
    "/root/.conda/pkgs",
    "/root/.m2",
    "/root/.npm",
    "/root/.yarn",
    "/root/go/pkg/mod",
    "/usr/local/cargo/git",
    "/usr/local/cargo/registry",
    "/usr/local/share/.cache",
    "/var/cache/apk",
    "/var/cache/apt",
    "/var/cache/dnf",
    "/var/cache/libdnf5",
    "/var/cache/yum",
];

/// What of every container's own mounts commands may name: devices that keep nothing, and facts about the machine.
const HARMLESS: &[&str] = &[
    "/dev/null",
    "/dev/random",
    "/dev/stderr",
    "/dev/stdin",
    "/dev/stdout",
    "/dev/urandom",
    "/dev/zero",
    "/proc/cpuinfo",
    "/proc/meminfo",
];

/// Where a shell looks for commands that was not told.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What of the step itself lets something else pass than files of the tree.
pub(crate) fn check_run(run: &Run) -> Result<(), Refusal> {
    let refuse = |reason: String| Err(Refusal(reason));
    if run.security == Security::Insecure {
        return refuse("it may change the machine (`--security=insecure`)".into());
    }
    for mount in &run.mounts {
        let target = &mount.target;
        let is_beneath = |of: &&&str| is_within(target, of);
        match &mount.source {
            MountSource::Tmpfs { .. } if target == "/dev/shm" => {}
            MountSource::Tmpfs { .. } => {
                return refuse(format!(
                    "what is written to the tmpfs at {target} would be gone"
                ));
            }
            MountSource::Bind { .. } if mount.read_only => {}
            MountSource::Bind { .. } => {
                return refuse(format!(
                    "what is written to the mount at {target} would be gone"
                ));
            }
            MountSource::Cache {
                sharing: Sharing::Private,
                ..
            } => {
                return refuse(format!(
                    "the cache directory at {target} might be another one"
                ));
            }
            MountSource::Cache { .. } if PURE_CACHES.iter().find(is_beneath).is_some() => {}
            MountSource::Cache { .. } => {
                return refuse(format!(
                    "what is written to the cache directory at {target} might be gone"
                ));
            }
            MountSource::Inline { .. } => return refuse("it has a here-document".into()),
            MountSource::Secret { .. } | MountSource::Ssh { .. } => {}
        }
    }
    for (name, _) in &run.env {
        if name == "BASH_ENV" || name == "ENV" || name.starts_with("BASH_FUNC_") {
            return refuse(format!("the shell reads `{name}` when it starts"));
        }
    }
    let special = ["/dev", "/etc", "/proc", "/sys"];
    if special.iter().any(|of| is_within(&run.cwd, of)) {
        return refuse(format!("files in {} may be mounted there", run.cwd));
    }
    if looks_in(run, &run.cwd) {
        return refuse(format!("the shell looks for commands in {}", run.cwd));
    }
    Ok(())
}

/// Whether a directory is in the search path.
fn looks_in(run: &Run, directory: &str) -> bool {
    let path = run.env.iter().rev().find(|(name, _)| name == "PATH");
    let path = path.map_or(DEFAULT_PATH, |(_, path)| path);
    path.split(':').any(|part| path::clean(part) == directory)
}

/// What of a command lets something else pass than files of the tree.
pub(crate) fn check_command(run: &Run, command: &Command, is_last: bool) -> Result<(), Refusal> {
    let refuse = |reason: String| Err(Refusal(reason));
    for word in command.words.iter().chain(&command.files) {
        let text = word.text.as_str();
        let has = |part: &str| text.contains(part);
        if ["localhost", "127.0.0.1", "[::1]", "0.0.0.0", ".sock"]
            .into_iter()
            .any(has)
            || text.starts_with("--unix-socket")
        {
            return refuse("it asks a service of this machine".into());
        }
        if ["resolv.conf", "etc/hosts", "etc/hostname"]
            .into_iter()
            .any(has)
        {
            return refuse(format!("{} is mounted while it runs", shown(text)));
        }
        if ["/passwd", "/group", "/shadow"].into_iter().any(has) {
            return refuse(format!("{} says who runs the rest", shown(text)));
        }
        if names_special(text) {
            return refuse(format!(
                "{} is of the container, not of the tree",
                shown(text)
            ));
        }
        if SHELLS.contains(&text) || has("binsh") {
            return refuse(format!(
                "{} may be the shell that would run the rest",
                shown(text)
            ));
        }
        if has("locale") && run.env.iter().any(|(name, value)| sets_locale(name, value)) {
            return refuse("the shell's locale would be found by the rest only".into());
        }
    }
    if !is_last && run.cwd != "/" && may_remove(command, &run.cwd) {
        return refuse(format!("it may remove its working directory {}", run.cwd));
    }
    Ok(())
}

/// Whether a path is another one or beneath it.
fn is_within(path: &str, of: &str) -> bool {
    Path::new(path).starts_with(of)
}

fn shown(text: &str) -> String {
    text.replace(UNKNOWN, "…")
}

/// Whether a text has a path of the file systems that every container has mounted.
fn names_special(text: &str) -> bool {
    let mut rest = HARMLESS
        .iter()
        .fold(text.to_owned(), |text, path| text.replace(path, ""));
    // A URL is no path.
    if let Some(scheme) = rest.find("://") {
        let end = rest[scheme..]
            .find(char::is_whitespace)
            .map_or(rest.len(), |end| scheme + end);
        rest.replace_range(scheme..end, "");
    }
    ["/dev", "/proc", "/sys"].into_iter().any(|of| {
        rest.match_indices(of).any(|(at, _)| {
            let before = rest[..at].chars().next_back();
            let behind = rest[at + of.len()..].chars().next();
            // `/usr/lib/dev` and `/devel` are other paths; `-o/dev/x` is none.
            let is_start = before.is_none_or(|c| !c.is_alphanumeric() && !"_-".contains(c))
                || (at == 2 && text.starts_with('-'));
            is_start && behind.is_none_or(|c| !c.is_alphanumeric() && !"._-".contains(c))
        })
    })
}

fn sets_locale(name: &str, value: &str) -> bool {
    (name == "LANG" || name.starts_with("LC_"))
        && !matches!(value, "" | "C" | "C.UTF-8" | "C.utf8" | "POSIX")
}

/// Whether a command may remove or move the directory that a step starts in.
fn may_remove(command: &Command, cwd: &str) -> bool {
    let name = command.words.first().map_or("", |word| word.text.as_str());
    match name.rsplit('/').next().unwrap_or(name) {
        "rm" | "rmdir" | "mv" | "unlink" => {
            command.arguments().iter().any(|word| is_above(word, cwd))
        }
        "find" => command
            .arguments()
            .iter()
            .any(|word| matches!(word.text.as_str(), "-delete" | "-exec" | "-execdir")),
        "rsync" => command
            .arguments()
            .iter()
            .any(|word| word.text.starts_with("--del")),
        _ => false,
    }
}

/// Whether an operand may be a directory, or a directory above it.
fn is_above(operand: &Word, directory: &str) -> bool {
    let text = operand.text.as_str();
    if text.starts_with('-') {
        return false;
    }
    if text.contains([UNKNOWN, '{']) || text.contains("..") || matches!(text, "." | "./") {
        return true;
    }
    if !text.starts_with('/') {
        return false;
    }
    match text.find(['*', '?', '[']) {
        // What a pattern stands for starts like the text before it.
        Some(fixed) => directory.starts_with(&text[..fixed]),
        None => is_within(directory, &path::clean(text)),
    }
}
