//! Programs that install packages, by what they are asked to do.

use super::Word;
use super::commands::{
    CLEANUP, INSTALLER, Index, Installs, Known, LARGE, REMOVER, SMALL, has, position, subcommand,
};

/// What is known of a program if it is one that installs packages.
pub(super) fn package_manager(program: &str, arguments: &[Word]) -> Option<Known> {
    match program {
        "apt" | "apt-get" => apt(arguments),
        "apt-cache" => Some(looks_in("apt")),
        "apt-mark" | "dpkg-query" => Some(SMALL),
        "dpkg" => Some(
            match has(
                arguments,
                &["-i", "--install", "--unpack", "--configure", "-r", "-P"],
            ) {
                true => Known {
                    installs: Installs::Packages,
                    ..LARGE
                },
                false => SMALL,
            },
        ),
        "rpm" => Some(Known {
            installs: Installs::Packages,
            ..LARGE
        }),
        "apk" => apk(arguments),
        "dnf" | "microdnf" | "tdnf" | "yum" => rpm_based(arguments),
        "pip" | "pip3" => by_subcommand(
            arguments,
            &["install", "download", "wheel", "uninstall"],
            &["cache"],
            &["check", "config", "freeze", "list", "show"],
        ),
        "npm" | "pnpm" | "yarn" => javascript(program, arguments),
        "cargo" => by_subcommand(
            arguments,
            &["build", "fetch", "install", "vendor"],
            &["clean"],
            &[],
        ),
        "rustup" => by_subcommand(
            arguments,
            &["component", "default", "target", "toolchain", "update"],
            &[],
            &["show"],
        ),
        "go" => by_subcommand(
            arguments,
            &["build", "generate", "get", "install", "mod"],
            &["clean"],
            &["env", "version", "vet"],
        ),
        "gem" => by_subcommand(arguments, &["install", "update"], &["cleanup"], &[]),
        "bundle" => by_subcommand(arguments, &["install"], &["clean"], &["config"]),
        "composer" => by_subcommand(
            arguments,
            &["install", "dump-autoload"],
            &["clear-cache"],
            &["config"],
        ),
        "mvn" => maven(arguments).then_some(INSTALLER),
        "conda" | "mamba" | "micromamba" => by_subcommand(
            arguments,
            &["create", "env", "install", "update"],
            &["clean"],
            &["config", "list"],
        ),
        _ => None,
    }
}

/// Tells what an index of packages has.
fn looks_in(family: &'static str) -> Known {
    Known {
        index: Index::Used(family),
        ..SMALL
    }
}

fn by_subcommand(
    arguments: &[Word],
    install: &[&str],
    clean: &[&str],
    small: &[&str],
) -> Option<Known> {
    let sub = subcommand(arguments, &[])?;
    let among = |list: &[&str]| list.contains(&sub);
    match () {
        () if among(install) => Some(INSTALLER),
        () if among(clean) => Some(CLEANUP),
        () if among(small) => Some(SMALL),
        () => None,
    }
}

fn apt(arguments: &[Word]) -> Option<Known> {
    let install = Known {
        installs: Installs::Packages,
        index: Index::Used("apt"),
        ..LARGE
    };
    match subcommand(
        arguments,
        &[
            "-o",
            "-t",
            "-c",
            "--option",
            "--target-release",
            "--config-file",
        ],
    )? {
        "update" => Some(Known {
            index: Index::Fetched("apt"),
            ..LARGE
        }),
        "build-dep" | "dist-upgrade" | "download" | "full-upgrade" | "install" | "source"
        | "upgrade" => Some(install),
        "autoclean" | "clean" => Some(CLEANUP),
        "autoremove" | "purge" | "remove" => Some(REMOVER),
        "check" | "list" | "policy" | "search" | "show" => Some(looks_in("apt")),
        _ => None,
    }
}

fn apk(arguments: &[Word]) -> Option<Known> {
    let fetches = has(arguments, &["-U", "--update", "--update-cache"]);
    let index = match (fetches, has(arguments, &["--no-cache"])) {
        // The index is fetched for this command alone.
        (_, true) => Index::Unused,
        (true, false) => Index::Fetched("apk"),
        (false, false) => Index::Used("apk"),
    };
    let with_value = [
        "-t",
        "--virtual",
        "-X",
        "--repository",
        "-p",
        "--root",
        "--keys-dir",
        "--repositories-file",
    ];
    match subcommand(arguments, &with_value)? {
        // Packages hide the applets of busybox by programs in other directories.
        "add" | "fetch" | "fix" | "upgrade" => Some(Known { index, ..INSTALLER }),
        "update" => Some(Known {
            index: Index::Fetched("apk"),
            ..LARGE
        }),
        "cache" => Some(CLEANUP),
        "del" => Some(REMOVER),
        "info" | "list" | "search" => Some(Known { index, ..SMALL }),
        _ => None,
    }
}

fn rpm_based(arguments: &[Word]) -> Option<Known> {
    match subcommand(
        arguments,
        &["-c", "--config", "--releasever", "--installroot"],
    )? {
        "builddep" | "distro-sync" | "downgrade" | "group" | "groupinstall" | "install"
        | "localinstall" | "module" | "reinstall" | "update" | "upgrade" => Some(Known {
            installs: Installs::Packages,
            index: Index::Used("rpm"),
            ..LARGE
        }),
        "check-update" | "makecache" => Some(Known {
            index: Index::Fetched("rpm"),
            ..LARGE
        }),
        "clean" => Some(CLEANUP),
        "autoremove" | "erase" | "remove" => Some(REMOVER),
        "info" | "list" | "repolist" | "search" => Some(looks_in("rpm")),
        _ => None,
    }
}

/// Whether no goal of a plugin is asked for but those that fetch: others may start a server for a later command.
fn maven(arguments: &[Word]) -> bool {
    arguments
        .iter()
        .filter(|word| !word.text.starts_with('-'))
        // `-pl :module` names no goal.
        .all(|word| match word.text.split_once(':') {
            Some((plugin, _)) => matches!(plugin, "" | "dependency"),
            None => true,
        })
}

/// Their scripts may do anything; those that build are taken to do what their names say.
fn javascript(program: &str, arguments: &[Word]) -> Option<Known> {
    let Some(at) = position(
        arguments,
        &["--prefix", "--dir", "-C", "--filter", "--cwd", "-w"],
    ) else {
        let only_options = arguments.iter().all(|word| word.is_literal);
        return (program == "yarn" && only_options).then_some(INSTALLER);
    };
    let rest = arguments.get(at..).unwrap_or_default();
    let word = |at: usize| {
        rest.get(at)
            .filter(|word| word.is_literal)
            .map(|word| word.text.as_str())
    };
    match (word(0)?, word(1)) {
        ("add" | "ci" | "i" | "install" | "prune" | "rebuild" | "fetch" | "build", _) => {
            Some(INSTALLER)
        }
        ("run" | "run-script", Some(script)) if script.contains("build") || script == "compile" => {
            Some(INSTALLER)
        }
        ("cache", Some("clean")) | ("store", Some("prune")) => Some(CLEANUP),
        ("config" | "pkg", _) => Some(SMALL),
        _ => None,
    }
}
