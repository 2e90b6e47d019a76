//! Build args with a meaning of their own: proxies, `SOURCE_DATE_EPOCH`, `BUILDKIT_…`, and the platform args.

use std::collections::{BTreeMap, BTreeSet};

use stromatekt_dockerfile_parser::boolean;
use stromatekt_oci::time::{from_epoch, rfc3339};

use crate::environment::Environment;
use crate::error::Problem;
use crate::options::Options;

/// Names that are passed to steps without a declaration, and that do not count for the cache.
const PROXIES: [&str; 5] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "FTP_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
];
/// Args that tell the builder something and are never variables.
pub const NOT_VARIABLES: [&str; 2] = ["BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"];
/// The build arg that sets the times of an image.
pub const EPOCH: &str = "SOURCE_DATE_EPOCH";
/// The value of the epoch that means the time of a remote build context; with a local one, there is none.
pub const OF_CONTEXT: &str = "context";
const CACHE_NAMESPACE: &str = "BUILDKIT_CACHE_MOUNT_NS";

/// The proxies that steps see, both spellings of each, as BuildKit passes them.
pub fn proxy_environment(build_args: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let mut variables = Vec::new();
    for proxy in PROXIES {
        // Where several spellings are given, the last in the order of their bytes counts.
        let value = build_args
            .iter()
            .rev()
            .find(|(name, _)| name.eq_ignore_ascii_case(proxy))
            .map(|(_, value)| value);
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            variables.push((proxy.to_owned(), value.clone()));
            variables.push((proxy.to_ascii_lowercase(), value.clone()));
        }
    }
    variables
}

/// The args that every Dockerfile has before its first line.
pub fn predefined(options: &Options, last_stage: Option<&str>) -> Environment {
    let build = &options.build_platform;
    let target = options.target_platform();
    let mut build_name = build.clone();
    build_name.os_version = None;
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let stage = options
        .target
        .as_deref()
        .filter(|target| !target.is_empty())
        .or(last_stage)
        .unwrap_or("default");
    let mut args = Environment::default();
    for (name, value) in [
        ("BUILDPLATFORM", build_name.to_string()),
        ("BUILDOS", build.os.clone()),
        ("BUILDOSVERSION", text(&build.os_version)),
        ("BUILDARCH", build.architecture.clone()),
        ("BUILDVARIANT", text(&build.variant)),
        ("TARGETPLATFORM", target.to_string()),
        ("TARGETOS", target.os.clone()),
        ("TARGETOSVERSION", text(&target.os_version)),
        ("TARGETARCH", target.architecture.clone()),
        ("TARGETVARIANT", text(&target.variant)),
        ("TARGETSTAGE", stage.to_owned()),
    ] {
        let value = options.build_args.get(name).unwrap_or(&value);
        args.set(name, value);
    }
    args
}

/// Refuses values that ask for what there is not.
pub fn check(options: &Options) -> Result<(), Problem> {
    for (name, value) in &options.build_args {
        let refuse = |reason: &str, help: &str| {
            Err(Problem::BuildArg {
                name: name.clone(),
                reason: reason.to_owned(),
                help: help.to_owned(),
            })
        };
        let is_on = !value.is_empty() && boolean(value) != Some(false);
        match name.as_str() {
            "BUILDKIT_INLINE_CACHE" if is_on => {
                refuse(
                    "there is no inline cache",
                    "leave it out: the image is the same without",
                )?;
            }
            "BUILDKIT_SYNTAX" if !is_known_syntax(value) => {
                refuse(
                    "frontends other than Dockerfile's cannot be loaded",
                    "leave it out, or name docker/dockerfile:1",
                )?;
            }
            "BUILDKIT_DISABLE_FILEOP" if is_on => {
                refuse("BuildKit removed it in 0.11", "leave it out")?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether an index is to be made: of several platforms, or because a build arg says so (`BUILDKIT_MULTI_PLATFORM`).
pub fn is_multi_platform(options: &Options) -> Result<bool, Problem> {
    const NAME: &str = "BUILDKIT_MULTI_PLATFORM";
    let is_several = options.platforms.len() > 1;
    let refuse = |reason: String, help: &str| {
        Err(Problem::BuildArg {
            name: NAME.to_owned(),
            reason,
            help: help.to_owned(),
        })
    };
    let given = options.build_args.get(NAME);
    let Some(given) = given.filter(|given| !given.is_empty()) else {
        return Ok(is_several);
    };
    match boolean(given) {
        Some(false) if is_several => refuse(
            "several platforms are always an index".to_owned(),
            "leave it out, or build for one platform",
        ),
        Some(is_index) => Ok(is_index),
        None => refuse(
            format!("`{given}` is neither true nor false"),
            "set it to 1",
        ),
    }
}

/// The host name of steps, where a build arg chooses one (`BUILDKIT_SANDBOX_HOSTNAME`).
pub fn hostname(options: &Options) -> Option<&str> {
    let given = options.build_args.get("BUILDKIT_SANDBOX_HOSTNAME");
    given.map(String::as_str).filter(|name| !name.is_empty())
}

/// Whether a `# syntax=` line or `BUILDKIT_SYNTAX` names the language that this crate lowers: some release of docker's own frontend.
pub fn is_known_syntax(image: &str) -> bool {
    let name = image.split_whitespace().next().unwrap_or_default();
    let name = name.strip_prefix("docker.io/").unwrap_or(name);
    let name = name.split(['@', ':']).next().unwrap_or_default();
    matches!(
        name,
        "" | "dockerfile.v0" | "docker/dockerfile" | "docker/dockerfile-upstream"
    )
}

/// What ids of caches start with, so that builds can keep theirs apart.
pub fn cache_namespace(options: &Options) -> Option<&str> {
    options
        .build_args
        .get(CACHE_NAMESPACE)
        .map(String::as_str)
        .filter(|namespace| !namespace.is_empty())
}

/// The seconds and the text of the time that an image gets, from a build arg or a global ARG.
pub fn source_date_epoch(
    options: &Options,
    globals: &Environment,
) -> Result<Option<(i64, String)>, Problem> {
    let value = options
        .build_args
        .get(EPOCH)
        .map(String::as_str)
        .or_else(|| globals.get(EPOCH))
        .unwrap_or_default();
    if value.is_empty() {
        return Ok(None);
    }
    let value = match (value, options.context_time) {
        (OF_CONTEXT, None) => return Ok(None),
        (OF_CONTEXT, Some(time)) => &time.to_string(),
        (value, _) => value,
    };
    let seconds = value.parse::<i64>().ok();
    seconds
        .and_then(|seconds| Some((seconds, rfc3339(from_epoch(seconds)?))))
        .map(Some)
        .ok_or_else(|| Problem::BuildArg {
            name: EPOCH.to_owned(),
            reason: format!("`{value}` is no number of seconds since 1970"),
            help: "set it to the time of the last commit: `git log -1 --format=%ct`".to_owned(),
        })
}

/// The build args that nothing in the Dockerfile declares and that mean nothing by themselves.
pub fn unused(
    options: &Options,
    declared: &BTreeSet<String>,
    predefined: &Environment,
) -> Vec<String> {
    options
        .build_args
        .keys()
        .filter(|name| {
            !declared.contains(*name)
                && predefined.get(name).is_none()
                && name.as_str() != EPOCH
                && !name.starts_with("BUILDKIT_")
                && !PROXIES.iter().any(|proxy| name.eq_ignore_ascii_case(proxy))
        })
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(args: &[(&str, &str)]) -> Options {
        Options {
            build_args: args
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            platforms: vec!["linux/arm/v7".parse().unwrap()],
            build_platform: "linux/amd64".parse().unwrap(),
            ..Options::default()
        }
    }

    #[test]
    fn proxies_are_passed_in_both_spellings() {
        let options = with(&[("http_proxy", "a"), ("HTTP_PROXY", "b"), ("no_proxy", "")]);
        assert_eq!(
            proxy_environment(&options.build_args),
            [
                ("HTTP_PROXY".to_owned(), "a".to_owned()),
                ("http_proxy".to_owned(), "a".to_owned())
            ]
        );
    }

    #[test]
    fn platforms_are_args_and_build_args_replace_them() {
        let args = predefined(&with(&[("TARGETARCH", "x")]), Some("last"));
        for (name, value) in [
            ("TARGETPLATFORM", "linux/arm/v7"),
            ("TARGETVARIANT", "v7"),
            ("TARGETARCH", "x"),
            ("BUILDPLATFORM", "linux/amd64"),
            ("BUILDVARIANT", ""),
            ("TARGETSTAGE", "last"),
        ] {
            assert_eq!(args.get(name), Some(value), "{name}");
        }
    }

    #[test]
    fn what_a_builder_arg_asks_for_is_there_or_refused() {
        for (name, value, is_fine) in [
            ("BUILDKIT_INLINE_CACHE", "1", false),
            ("BUILDKIT_INLINE_CACHE", "0", true),
            ("BUILDKIT_MULTI_PLATFORM", "true", true),
            ("BUILDKIT_SANDBOX_HOSTNAME", "host", true),
            ("BUILDKIT_SYNTAX", "docker/dockerfile:1.7-labs", true),
            (
                "BUILDKIT_SYNTAX",
                "docker.io/docker/dockerfile@sha256:00",
                true,
            ),
            ("BUILDKIT_SYNTAX", "example.com/other", false),
            ("BUILDKIT_CACHE_MOUNT_NS", "x", true),
            ("ANYTHING", "1", true),
        ] {
            assert_eq!(
                check(&with(&[(name, value)])).is_ok(),
                is_fine,
                "{name}={value}"
            );
        }
    }

    #[test]
    fn only_args_that_mean_nothing_are_unused() {
        let options = with(&[
            ("A", ""),
            ("B", ""),
            ("https_proxy", ""),
            ("TARGETOS", "linux"),
            ("SOURCE_DATE_EPOCH", "1"),
            ("BUILDKIT_SYNTAX", ""),
        ]);
        let predefined = predefined(&options, None);
        assert_eq!(
            unused(&options, &["B".to_owned()].into(), &predefined),
            ["A"]
        );
    }
}
