//! Environment variables that docker and buildx users set: what each of them means here. None is ignored in silence that asks for something.

use crate::error::{Error, Result};
use crate::options::go_bool;

/// A variable.
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it does here.
    pub meaning: Meaning,
    /// More of that, for people.
    pub note: &'static str,
}

/// What a variable does here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// What it does with docker.
    Supported,
    /// It is about something that is not here, so that the image does not depend on it.
    Without,
    /// A build tells that it does not do what these values ask for.
    Warned(Asks),
    /// With these values, nothing is built.
    Refused(Asks),
}

/// Which values ask for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// All but an empty one.
    Any,
    /// All but an empty one and `default`.
    AnyButDefault,
    /// Those that Go takes for true.
    True,
    /// Those that Go takes for false.
    False,
}

impl Asks {
    fn asked(self, value: &str) -> bool {
        match self {
            _ if value.is_empty() => false,
            Self::Any => true,
            Self::AnyButDefault => value != "default",
            Self::True => go_bool(value) == Ok(true),
            Self::False => go_bool(value) == Ok(false),
        }
    }
}

const fn variable(name: &'static str, meaning: Meaning, note: &'static str) -> Variable {
    Variable {
        name,
        meaning,
        note,
    }
}

use Asks::{Any, AnyButDefault, False, True};
use Meaning::{Refused, Supported, Warned, Without};

const BUILT_HERE: &str = "there is no daemon to choose: the image is built here";
const NO_DAEMON: &str = "it is about the connection to a daemon, and there is none";
const NO_BAKE: &str = "there is no bake";

/// All of them, sorted by name.
pub const VARIABLES: &[Variable] = &[
    variable(
        "BUILDKIT_COLORS",
        Warned(Any),
        "the colours of progress are fixed; NO_COLOR switches them off",
    ),
    variable("BUILDKIT_HOST", Warned(Any), BUILT_HERE),
    variable("BUILDKIT_PROGRESS", Supported, "the default of --progress"),
    variable(
        "BUILDKIT_TTY_LOG_LINES",
        Supported,
        "how many lines of a step's output are shown on a terminal, 6 by default",
    ),
    variable("BUILDX_BAKE_ENTITLEMENTS_FS", Without, NO_BAKE),
    variable("BUILDX_BAKE_FILE", Without, NO_BAKE),
    variable("BUILDX_BAKE_FILE_SEPARATOR", Without, NO_BAKE),
    variable("BUILDX_BAKE_GIT_AUTH_HEADER", Without, NO_BAKE),
    variable("BUILDX_BAKE_GIT_AUTH_TOKEN", Without, NO_BAKE),
    variable("BUILDX_BAKE_GIT_SSH", Without, NO_BAKE),
    variable(
        "BUILDX_BUILDER",
        Refused(AnyButDefault),
        "there is no daemon and no builder to choose: unset it",
    ),
    variable(
        "BUILDX_CONFIG",
        Without,
        "there are no builders to keep a configuration of",
    ),
    variable("BUILDX_CPU_PROFILE", Warned(Any), "no profile is written"),
    variable(
        "BUILDX_EXPERIMENTAL",
        Without,
        "the options that it shows are not here",
    ),
    variable(
        "BUILDX_GIT_CHECK_DIRTY",
        Supported,
        "with BUILDX_GIT_LABELS: a revision with changes that are not committed ends in -dirty",
    ),
    variable(
        "BUILDX_GIT_INFO",
        Without,
        "there is no provenance to have it in",
    ),
    variable(
        "BUILDX_GIT_LABELS",
        Supported,
        "1 or full: labels of the image tell the repository, the revision and the Dockerfile",
    ),
    variable("BUILDX_MEM_PROFILE", Warned(Any), "no profile is written"),
    variable(
        "BUILDX_METADATA_PROVENANCE",
        Warned(Any),
        "no provenance is made",
    ),
    variable(
        "BUILDX_METADATA_WARNINGS",
        Warned(True),
        "--metadata-file has no warnings: progress shows them",
    ),
    variable(
        "BUILDX_NO_DEFAULT_ATTESTATIONS",
        Supported,
        "no attestations are made",
    ),
    variable(
        "BUILDX_NO_DEFAULT_LOAD",
        Supported,
        "without --output, --push and --load, the image goes nowhere",
    ),
    variable("DOCKER_API_VERSION", Without, NO_DAEMON),
    variable(
        "DOCKER_BUILDKIT",
        Warned(False),
        "there is one builder: the image is the one that BuildKit makes",
    ),
    variable("DOCKER_CERT_PATH", Without, NO_DAEMON),
    variable("DOCKER_CLI_HINTS", Without, "docker's hints are not here"),
    variable(
        "DOCKER_CONFIG",
        Supported,
        "the directory of config.json: logins, credential helpers, proxies",
    ),
    variable(
        "DOCKER_CONTENT_TRUST",
        Refused(True),
        "signatures of images are neither checked nor made: unset it, and name images by their digest",
    ),
    variable(
        "DOCKER_CONTENT_TRUST_SERVER",
        Without,
        "signatures are neither checked nor made",
    ),
    variable("DOCKER_CONTEXT", Warned(AnyButDefault), BUILT_HERE),
    variable("DOCKER_CUSTOM_HEADERS", Without, NO_DAEMON),
    variable(
        "DOCKER_DEFAULT_PLATFORM",
        Supported,
        "the default of --platform",
    ),
    variable(
        "DOCKER_HIDE_LEGACY_COMMANDS",
        Without,
        "it is about docker's help",
    ),
    variable("DOCKER_HOST", Warned(Any), BUILT_HERE),
    variable("DOCKER_TLS", Without, NO_DAEMON),
    variable("DOCKER_TLS_VERIFY", Without, NO_DAEMON),
    variable(
        "EXPERIMENTAL_BUILDKIT_SOURCE_POLICY",
        Refused(Any),
        "no policy is applied to sources: unset it",
    ),
    variable(
        "HTTPS_PROXY",
        Supported,
        "how registries and URLs are reached; as with docker, steps see a proxy that is a build arg or in config.json",
    ),
    variable("HTTP_PROXY", Supported, "as HTTPS_PROXY"),
    variable("NO_COLOR", Supported, "no colours"),
    variable("NO_PROXY", Supported, "as HTTPS_PROXY"),
    variable(
        "SOURCE_DATE_EPOCH",
        Supported,
        "a build arg, where none is given",
    ),
    variable("SSH_AUTH_SOCK", Supported, "the agent of --ssh default"),
];

/// Looks at the variables: what a build does not do of what they ask for.
///
/// # Errors
/// When one of them forbids to go on.
pub fn check(lookup: impl Fn(&str) -> Option<String>) -> Result<Vec<String>> {
    let mut warnings = Vec::new();
    for variable in VARIABLES {
        let Some(value) = lookup(variable.name) else {
            continue;
        };
        match variable.meaning {
            Refused(asks) if asks.asked(&value) => {
                return Err(Error::Unsupported {
                    option: format!("{}={value} in the environment", variable.name),
                    hint: variable.note,
                });
            }
            Warned(asks) if asks.asked(&value) => {
                warnings.push(format!("{} is set: {}", variable.name, variable.note));
            }
            _ => {}
        }
    }
    Ok(warnings)
}

/// Looks at the variables that concern images of registries.
///
/// # Errors
/// When one of them forbids to go on.
pub fn check_trust(lookup: impl Fn(&str) -> Option<String>) -> Result<()> {
    check(|name| lookup(name).filter(|_| name == "DOCKER_CONTENT_TRUST")).map(drop)
}

/// Whether a variable is one that Go takes for true.
pub fn is_true(name: &str) -> bool {
    std::env::var(name).is_ok_and(|value| go_bool(&value) == Ok(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(name: &str, value: &str) -> Result<Vec<String>, String> {
        check(|asked| (asked == name).then(|| value.to_owned())).map_err(|error| error.to_string())
    }

    #[test]
    fn what_asks_for_something_else_is_told_or_refused() {
        for (name, value) in [
            ("DOCKER_BUILDKIT", "1"),
            ("DOCKER_CONTENT_TRUST", "0"),
            ("BUILDX_BUILDER", "default"),
            ("BUILDX_BUILDER", ""),
            ("NO_COLOR", "1"),
            ("UNKNOWN", "1"),
        ] {
            assert_eq!(checked(name, value), Ok(Vec::new()), "{name}={value}");
        }
        for (name, value) in [
            ("DOCKER_BUILDKIT", "0"),
            ("DOCKER_HOST", "tcp://x"),
            ("BUILDKIT_COLORS", "run=red"),
        ] {
            let warnings = checked(name, value).expect("a warning");
            assert!(warnings[0].contains(name), "{warnings:?}");
        }
        for (name, value) in [("DOCKER_CONTENT_TRUST", "1"), ("BUILDX_BUILDER", "x")] {
            assert!(checked(name, value).expect_err("refused").contains(name));
        }
        assert!(check_trust(|name| (name == "BUILDX_BUILDER").then(|| "x".into())).is_ok());
        assert!(check_trust(|_| Some("true".into())).is_err());
    }

    #[test]
    fn the_list_is_sorted() {
        assert!(VARIABLES.is_sorted_by_key(|variable| variable.name));
    }
}
