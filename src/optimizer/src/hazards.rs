//! What lets something else pass from one part of a `RUN` to the next than files of the tree, apart from the commands that it is made of: its
//! mounts and its environment, and what its commands name. What its commands may take away from the next ones is told by [`rest`].

mod paths;
mod rest;

use stromatekt_graph::path;
use stromatekt_graph::run::{Mount, MountSource, Run, Security, Sharing};

use crate::shell::{Command, Refusal, UNKNOWN};
use paths::{is_within, may_be_special, names_special};

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

/// Cache directories that programs fill again where they are empty; what is beneath them is the same. Not all of `~/.cache`, where some keep
/// what they installed, nor Maven's repository, which has what it built.
const PURE_CACHES: &[&str] = &[
    "/ccache",
    "/go/pkg/mod",
    "/opt/conda/pkgs",
    "/root/.bun/install/cache",
    "/root/.cache/bazel",
    "/root/.cache/ccache",
    "/root/.cache/composer",
    "/root/.cache/go-build",
    "/root/.cache/node-gyp",
    "/root/.cache/pip",
    "/root/.cache/pip-tools",
    "/root/.cache/pnpm",
    "/root/.cache/sccache",
    "/root/.cache/uv",
    "/root/.cache/yarn",
    "/root/.cargo/git",
    "/root/.cargo/registry",
    "/root/.ccache",
    "/root/.composer/cache",
    "/root/.conda/pkgs",
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

/// In the names of packages that bring languages.
const LOCALES: &[&str] = &["locale", "langpack", "language-"];

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
    for (name, value) in &run.env {
        if name == "BASH_ENV" || name == "ENV" || name.starts_with("BASH_FUNC_") {
            return refuse(format!("the shell reads `{name}` when it starts"));
        }
        if names_special(value, "") {
            return refuse(format!(
                "`{name}` leads to {value}, which is of the container, not of the tree"
            ));
        }
        let is_in_cache = |mount: &&Mount| is_within(value, &mount.target);
        if let Some(mount) = caches(run).find(is_in_cache).filter(|_| !names_cache(name)) {
            return refuse(format!(
                "`{name}` leads into the cache directory at {}",
                mount.target
            ));
        }
        if caches(run).next().is_some() && is_offline(&format!("{name}={value}")) {
            return refuse(format!("`{name}` has it take what its cache directory has"));
        }
    }
    let special = ["/dev", "/etc", "/proc", "/sys"];
    if special.iter().any(|of| is_within(&run.cwd, of)) {
        return refuse(format!("files in {} may be mounted there", run.cwd));
    }
    if caches(run).any(|mount| is_within(&run.cwd, &mount.target)) {
        return refuse(format!(
            "its working directory {} is in a cache directory",
            run.cwd
        ));
    }
    if looks_in(run, &run.cwd) {
        return refuse(format!("the shell looks for commands in {}", run.cwd));
    }
    Ok(())
}

fn caches(run: &Run) -> impl Iterator<Item = &Mount> {
    let is_cache = |mount: &&Mount| matches!(mount.source, MountSource::Cache { .. });
    run.mounts.iter().filter(is_cache)
}

/// The directories in which the shell looks for commands, as they were told.
pub(crate) fn search_path(run: &Run) -> impl Iterator<Item = &str> {
    let path = run.env.iter().rev().find(|(name, _)| name == "PATH");
    path.map_or(DEFAULT_PATH, |(_, path)| path).split(':')
}

fn looks_in(run: &Run, directory: &str) -> bool {
    search_path(run).any(|part| path::clean(part) == directory)
}

/// What of a command lets something else pass than files of the tree.
pub(crate) fn check_command(run: &Run, command: &Command, is_last: bool) -> Result<(), Refusal> {
    let refuse = |reason: String| Err(Refusal(reason));
    for word in command.all() {
        let text = word.text.as_str();
        let has = |part: &&str| text.contains(part);
        if ["localhost", "127.0.0.1", "[::1]", "0.0.0.0", ".sock"]
            .iter()
            .any(has)
            || text.starts_with("--unix-socket")
        {
            return refuse("it asks a service of this machine".into());
        }
        if ["resolv.conf", "etc/hosts", "etc/hostname"].iter().any(has) {
            return refuse(format!("{} is mounted while it runs", shown(text)));
        }
        if ["/passwd", "/group", "/shadow"].iter().any(has) {
            return refuse(format!("{} says who runs the rest", shown(text)));
        }
        if names_special(text, &run.cwd) {
            return refuse(format!(
                "{} is of the container, not of the tree",
                shown(text)
            ));
        }
        if rest::is_shell(text) {
            return refuse(format!(
                "{} may be the shell that would run the rest",
                shown(text)
            ));
        }
        if LOCALES.iter().any(has) && run.env.iter().any(|(name, value)| sets_locale(name, value)) {
            return refuse("the shell's locale would be found by the rest only".into());
        }
    }
    check_caches(run, command)?;
    if !is_last {
        rest::check(run, command)?;
    }
    // Other reasons say more.
    match command.all().find(|word| may_be_special(word, &run.cwd)) {
        Some(word) => refuse(format!(
            "{} may be of the container, not of the tree",
            shown(&word.text)
        )),
        None => Ok(()),
    }
}

/// A part that is found in the cache fills no directory for the next one: that one must not count on it.
fn check_caches(run: &Run, command: &Command) -> Result<(), Refusal> {
    let mut is_for_cache = false;
    for word in command.all() {
        let text = word.text.as_str();
        // `--cache DIR` has a program find and fill it by itself.
        let option = match text.split_once('=') {
            Some((option, _)) => option,
            None if text.starts_with('-') => text,
            None => "",
        };
        let is_told = is_for_cache || names_cache(option);
        is_for_cache = names_cache(option) && !text.contains('=');
        for mount in caches(run) {
            if is_offline(text) {
                return Err(Refusal(format!(
                    "it takes what the cache directory at {} has",
                    mount.target
                )));
            }
            if !is_told && paths::may_lead_into(word, &run.cwd, &mount.target) {
                return Err(Refusal(format!(
                    "{} is in the cache directory at {}",
                    shown(text),
                    mount.target
                )));
            }
        }
    }
    Ok(())
}

fn names_cache(option: &str) -> bool {
    !option.contains('/') && option.to_ascii_lowercase().contains("cache")
}

/// Whether a program is told to take everything from a cache.
fn is_offline(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let any = ["offline", "no-download", "no-index", "goproxy=off"];
    text == "--frozen"
        || (any.iter().any(|told| text.contains(told)) && !text.contains("prefer-offline"))
}

fn shown(text: &str) -> String {
    text.replace(UNKNOWN, "…")
}

fn sets_locale(name: &str, value: &str) -> bool {
    (name == "LANG" || name.starts_with("LC_"))
        && !matches!(value, "" | "C" | "C.UTF-8" | "C.utf8" | "POSIX")
}
