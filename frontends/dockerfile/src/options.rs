//! What a user can say about a build besides the Dockerfile itself.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;

use stromatekt_graph::limits::Limits;
use stromatekt_graph::op::Git;
use stromatekt_graph::run::Network;
use stromatekt_oci::Digest;
use stromatekt_oci::platform::Platform;
use stromatekt_oci::reference::ImageReference;

/// What a user can say about a build.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The stage to build; the last one where absent.
    pub target: Option<String>,
    /// `--build-arg`, and `SOURCE_DATE_EPOCH` of the environment if it is set there, as buildx passes it.
    pub build_args: BTreeMap<String, String>,
    /// What `SOURCE_DATE_EPOCH=context` stands for, in seconds: when a remote build context was made.
    pub context_time: Option<i64>,
    /// Labels of the image, over those of the Dockerfile.
    pub labels: BTreeMap<String, String>,
    /// `--build-context`, by name as written; `NAME::linux/arm64` counts for that platform alone, and more than `NAME`.
    pub named_contexts: BTreeMap<String, NamedContext>,
    /// The platforms that images are made for; that of the builder where there is none.
    pub platforms: Vec<Platform>,
    /// The platform of the builder.
    pub build_platform: Platform,
    /// Which steps do not look for an earlier result.
    pub no_cache: NoCache,
    /// The network of steps that do not choose one.
    pub network: Network,
    /// Additional lines of `/etc/hosts` in steps.
    pub extra_hosts: Vec<(String, IpAddr)>,
    /// What bounds steps.
    pub limits: Limits,
    /// The bytes of `/dev/shm` in steps; docker's 64 MiB where absent.
    pub shm_size: Option<u64>,
    /// What steps may demand beyond the ordinary.
    pub allow: BTreeSet<Entitlement>,
}

/// Where the files of a name given with `--build-context` are.
#[derive(Clone, Debug)]
pub enum NamedContext {
    /// A directory of this machine, under this name in the graph.
    Local(String),
    /// An image (`docker-image://`); the name `scratch` is the empty tree.
    Image(ImageReference),
    /// An image in an OCI layout or archive (`oci-layout://`).
    Layout {
        /// Path of the layout.
        path: PathBuf,
        /// Tag or digest in it.
        selector: Option<String>,
    },
    /// A stage of the Dockerfile (`target:`).
    Target(String),
    /// A git repository.
    Git(Git),
    /// A file on a web server; it is called `context` in its tree.
    Http {
        /// The URL.
        url: String,
        /// The digest that the file must have.
        checksum: Option<Digest>,
    },
}

/// Which steps do not look for an earlier result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NoCache {
    /// All steps look.
    #[default]
    Off,
    /// None does (`--no-cache`).
    All,
    /// Those of these stages do not (`--no-cache-filter`).
    Stages(BTreeSet<String>),
}

impl NoCache {
    /// Whether the steps of the stage with this name do not look for an earlier result. Names are compared without case.
    pub fn applies_to(&self, stage: Option<&str>) -> bool {
        match self {
            Self::Off => false,
            Self::All => true,
            Self::Stages(names) => {
                stage.is_some_and(|stage| names.iter().any(|name| name.eq_ignore_ascii_case(stage)))
            }
        }
    }
}

/// A permission that a step needs and the user must give (`--allow`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entitlement {
    /// `network.host`, for `RUN --network=host`. A build with that network as its default has it.
    NetworkHost,
    /// `security.insecure`, for `RUN --security=insecure`.
    SecurityInsecure,
}

impl Entitlement {
    /// The name in `--allow`.
    pub fn name(self) -> &'static str {
        match self {
            Self::NetworkHost => "network.host",
            Self::SecurityInsecure => "security.insecure",
        }
    }
}

impl Options {
    /// The platform that is built for.
    pub(crate) fn target_platform(&self) -> &Platform {
        self.platforms.first().unwrap_or(&self.build_platform)
    }

    /// The same for one of the platforms alone.
    pub(crate) fn for_platform(&self, platform: &Platform) -> Self {
        Self {
            platforms: vec![platform.clone()],
            ..self.clone()
        }
    }

    /// Whether the user gave a permission.
    pub(crate) fn allows(&self, entitlement: Entitlement) -> bool {
        self.allow.contains(&entitlement)
            || (entitlement == Entitlement::NetworkHost && self.network == Network::Host)
    }

    /// The named context that stands for a name of a stage or image. Names are compared as docker normalizes them: `debian`,
    /// `debian:latest` and `docker.io/library/debian` are one. The names `scratch` and `context` cannot be replaced.
    pub(crate) fn named_context(
        &self,
        name: &str,
        platform: &Platform,
    ) -> Option<(&str, &NamedContext)> {
        let wanted = normalized(name);
        if matches!(wanted.as_str(), "scratch" | "context") {
            return None;
        }
        let find = |for_platform: bool| {
            self.named_contexts.iter().find(|(given, _)| {
                match (given.split_once("::"), for_platform) {
                    (Some((name, text)), true) => {
                        normalized(name) == wanted
                            && text
                                .parse::<Platform>()
                                .is_ok_and(|other| other.is_same(platform))
                    }
                    (None, false) => normalized(given) == wanted,
                    _ => false,
                }
            })
        };
        find(true)
            .or_else(|| find(false))
            .map(|(given, context)| (given.as_str(), context))
    }
}

fn normalized(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    match lower.parse::<ImageReference>() {
        Ok(reference) => {
            let familiar = reference.familiar();
            familiar
                .strip_suffix(":latest")
                .map_or(familiar.clone(), str::to_owned)
        }
        Err(_) => lower,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_contexts_are_compared_as_docker_normalizes_them() {
        let options = Options {
            named_contexts: [
                (
                    "docker.io/library/debian".to_owned(),
                    NamedContext::Local("a".into()),
                ),
                ("Base".to_owned(), NamedContext::Local("b".into())),
                ("debian:12".to_owned(), NamedContext::Local("c".into())),
                ("scratch".to_owned(), NamedContext::Local("d".into())),
                (
                    "base::linux/arm64/v8".to_owned(),
                    NamedContext::Local("e".into()),
                ),
            ]
            .into(),
            ..Options::default()
        };
        let here = "linux/amd64".parse().unwrap();
        for (name, found) in [
            ("debian", Some("docker.io/library/debian")),
            ("debian:latest", Some("docker.io/library/debian")),
            ("docker.io/library/debian:12", Some("debian:12")),
            ("base", Some("Base")),
            ("BASE", Some("Base")),
            ("debian:11", None),
            ("scratch", None),
        ] {
            assert_eq!(
                options.named_context(name, &here).map(|(given, _)| given),
                found,
                "{name}"
            );
        }
        let arm = "linux/arm64".parse().unwrap();
        let found = options.named_context("base", &arm);
        assert_eq!(found.map(|(given, _)| given), Some("base::linux/arm64/v8"));
    }

    #[test]
    fn the_cache_is_off_for_named_stages_only() {
        let some = NoCache::Stages(["Build".to_owned()].into());
        assert!(some.applies_to(Some("build")));
        assert!(!some.applies_to(Some("other")) && !some.applies_to(None));
        assert!(NoCache::All.applies_to(None));
    }
}
