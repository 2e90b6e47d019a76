//! `--build-context NAME=WHERE`: where the files of a name are, as buildx has it.

use std::path::{Path, PathBuf};

use stromatekt_dockerfile::{NamedContext, git_url};
use stromatekt_oci::platform::Platform;
use stromatekt_oci::reference::ImageReference;

use crate::error::{Error, Result};

const OPTION: &str = "--build-context";

/// A named context.
#[derive(Clone, Debug)]
pub struct Named {
    /// Its name, as written.
    pub name: String,
    /// What it stands for.
    pub context: NamedContext,
    /// The directory of one that is local.
    pub directory: Option<PathBuf>,
}

/// Reads one.
///
/// # Errors
/// When it is no `NAME=WHERE`, or nothing is there.
pub fn parse(value: &str) -> Result<Named> {
    let refuse = |reason: String, hint: &str| Error::Option {
        option: OPTION,
        value: value.to_owned(),
        reason,
        hint: Some(hint.to_owned()),
    };
    let Some((name, at)) = value.split_once('=').filter(|(name, _)| !name.is_empty()) else {
        return Err(refuse(
            "it is no NAME=WHERE".into(),
            "write it as NAME=DIRECTORY or NAME=docker-image://IMAGE",
        ));
    };
    let (image, platform) = match name.split_once("::") {
        Some((image, platform)) => (image, Some(platform)),
        None => (name, None),
    };
    // As docker, which gives contexts the names of images.
    if let Err(error) = image.parse::<ImageReference>() {
        let reason = format!("invalid context name {image}: {error}");
        return Err(refuse(
            reason,
            "names are those of stages and images, in lower case",
        ));
    }
    if let Some(Err(error)) = platform.map(str::parse::<Platform>) {
        return Err(refuse(error.to_string(), "write it as NAME::linux/arm64"));
    }
    if matches!(name, "context" | "scratch") {
        let reason = format!("the name `{name}` has a meaning of its own");
        return Err(refuse(reason, "choose another name"));
    }
    let (context, directory) = match find(at).map_err(|reason| refuse(reason, HINT))? {
        Found::Elsewhere(context) => (context, None),
        Found::Directory(path) => (NamedContext::Local(name.to_owned()), Some(path)),
    };
    Ok(Named {
        name: name.to_owned(),
        context,
        directory,
    })
}

const HINT: &str = "contexts are directories, docker-image://NAME, oci-layout://PATH, target:STAGE, git repositories and URLs";

enum Found {
    Elsewhere(NamedContext),
    Directory(PathBuf),
}

fn find(at: &str) -> Result<Found, String> {
    let context = if let Some(image) = at.strip_prefix("docker-image://") {
        let image = image
            .parse()
            .map_err(|error: stromatekt_oci::Error| error.to_string())?;
        NamedContext::Image(image)
    } else if let Some(layout) = at.strip_prefix("oci-layout://") {
        let (path, selector) = layout_selector(layout);
        let path = std::path::absolute(path).map_err(|error| format!("{path}: {error}"))?;
        NamedContext::Layout { path, selector }
    } else if let Some(target) = at.strip_prefix("target:") {
        NamedContext::Target(target.to_owned())
    } else if at.starts_with("input:") {
        return Err("an input is what another frontend hands over, and no command line can".into());
    } else if Path::new(at).is_dir() {
        return Ok(Found::Directory(at.into()));
    } else if let Some(git) = git_url::parse(at) {
        NamedContext::Git(git?.git)
    } else if at.starts_with("http://") || at.starts_with("https://") {
        NamedContext::Http {
            url: at.to_owned(),
            checksum: None,
        }
    } else {
        return Err(match Path::new(at).exists() {
            true => format!("{at} is no directory"),
            false => format!("there is no directory {at}"),
        });
    };
    Ok(Found::Elsewhere(context))
}

/// The path of a layout, and the tag or digest behind it. A directory whose own name has a colon wins.
fn layout_selector(text: &str) -> (&str, Option<String>) {
    if Path::new(text).exists() {
        return (text, None);
    }
    if let Some((path, digest)) = text.split_once('@') {
        return (
            path.rsplit_once(':').map_or(path, |(path, _)| path),
            Some(digest.to_owned()),
        );
    }
    match text.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, Some(tag.to_owned())),
        _ => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_are_told_apart_by_how_they_begin() {
        let directory = tempfile::tempdir().unwrap();
        let local = format!("a={}", directory.path().display());
        let kind = |value: &str| match parse(value).unwrap().context {
            NamedContext::Local(name) => format!("local {name}"),
            NamedContext::Image(image) => format!("image {image}"),
            NamedContext::Layout { path, selector } => {
                format!("layout {} {selector:?}", path.display())
            }
            NamedContext::Target(target) => format!("target {target}"),
            NamedContext::Git(git) => format!("git {}", git.remote),
            NamedContext::Http { url, .. } => format!("http {url}"),
        };
        for (value, expected) in [
            (local.as_str(), "local a"),
            (
                "a=docker-image://debian",
                "image docker.io/library/debian:latest",
            ),
            (
                "debian:12=docker-image://x",
                "image docker.io/library/x:latest",
            ),
            ("a=oci-layout:///l:v1", "layout /l Some(\"v1\")"),
            ("a=oci-layout:///l@sha256:0", "layout /l Some(\"sha256:0\")"),
            (
                "a=oci-layout:///l:v1@sha256:0",
                "layout /l Some(\"sha256:0\")",
            ),
            ("a=oci-layout:///l", "layout /l None"),
            ("a=target:build", "target build"),
            ("a::linux/arm64=target:build", "target build"),
            (
                "a=https://example.org/x.git#main",
                "git https://example.org/x.git",
            ),
            (
                "a=https://example.org/x.tar",
                "http https://example.org/x.tar",
            ),
        ] {
            assert_eq!(kind(value), expected, "{value}");
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        for (value, said) in [
            ("nameless", "nameless"),
            ("=x", "NAME=WHERE"),
            ("context=.", "context"),
            ("a=/no/such/directory", "/no/such/directory"),
            ("a=/dev/null", "no directory"),
            ("a=docker-image://UPPER", "UPPER"),
            ("UPPER=docker-image://x", "invalid context name UPPER"),
            ("a::not/a/platform/x=docker-image://x", "a/platform"),
            ("a=input:b", "input"),
        ] {
            let error = parse(value).unwrap_err().to_string();
            assert!(error.contains(said), "{value}: {error}");
        }
    }
}
