//! The image config: what docker and the image-spec (`config.md`) keep of an image beside its files.
//!
//! Writing is deterministic: known fields in BuildKit's order (its exporter sorts the outer ones, Go's struct order rules
//! the inner ones), then what was not known, in the order in which it was read.

use std::collections::{BTreeMap, BTreeSet};

use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::descriptor::null_is_default;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::platform::Platform;

/// A whole image config.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// The processor, by Go's name.
    #[serde(default, deserialize_with = "null_is_default")]
    pub architecture: String,
    /// Who maintains the image (MAINTAINER).
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub author: String,
    /// How a container of the image runs.
    #[serde(default, deserialize_with = "null_is_default")]
    pub config: ContainerConfig,
    /// When it was made (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// How it was made, a step an entry.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub history: Vec<History>,
    /// The operating system, by Go's name.
    #[serde(default, deserialize_with = "null_is_default")]
    pub os: String,
    /// What the operating system must offer (Windows only).
    #[serde(
        default,
        rename = "os.features",
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub os_features: Vec<String>,
    /// The version of the operating system (Windows only).
    #[serde(
        default,
        rename = "os.version",
        skip_serializing_if = "Option::is_none"
    )]
    pub os_version: Option<String>,
    /// Its layers, uncompressed.
    #[serde(default, deserialize_with = "null_is_default")]
    pub rootfs: RootFs,
    /// The processor's variant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Whatever else was there.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl ImageConfig {
    /// The config of an empty image for `platform`.
    #[must_use]
    pub fn for_platform(platform: &Platform) -> Self {
        Self {
            architecture: platform.architecture.clone(),
            os: platform.os.clone(),
            os_version: platform.os_version.clone(),
            os_features: platform.os_features.clone(),
            variant: platform.variant.clone(),
            ..Self::default()
        }
    }

    /// Reads a config; `origin` names the place for errors.
    pub fn parse(json: &[u8], origin: &str) -> Result<Self> {
        serde_json::from_slice(json).map_err(Error::json("image config", origin))
    }

    /// The config as it is stored, compact as BuildKit writes it.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        // Maps with string keys all the way down, which JSON can always hold.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The platform the image is for.
    #[must_use]
    pub fn platform(&self) -> Platform {
        Platform {
            architecture: self.architecture.clone(),
            os: self.os.clone(),
            os_version: self
                .os_version
                .clone()
                .filter(|version| !version.is_empty()),
            os_features: self.os_features.clone(),
            variant: self.variant.clone().filter(|variant| !variant.is_empty()),
        }
        .normalized()
    }

    /// The config without the fields that are not known here: what an image built on this one inherits, since BuildKit reads a
    /// base's config into its own type and writes that (`docker_version`, `container_config`, `Hostname` … are dropped).
    #[must_use]
    pub fn without_unknown(mut self) -> Self {
        self.extra = Map::new();
        self.config.extra = Map::new();
        self
    }
}

/// How a container runs (image-spec `config.md`, `config`; the extensions are docker's).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerConfig {
    /// `user[:group]`, names or numbers.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub user: String,
    /// Ports that the container listens on: `80/tcp`.
    #[serde(default, with = "keys", skip_serializing_if = "BTreeSet::is_empty")]
    pub exposed_ports: BTreeSet<String>,
    /// `NAME=value`, in order.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub env: Vec<String>,
    /// The program that always runs.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub entrypoint: Vec<String>,
    /// Its default arguments, or the default command.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub cmd: Vec<String>,
    /// Directories that get a volume.
    #[serde(default, with = "keys", skip_serializing_if = "BTreeSet::is_empty")]
    pub volumes: BTreeSet<String>,
    /// Where the program starts.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub working_dir: String,
    /// Free metadata.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub labels: BTreeMap<String, String>,
    /// The signal that ends the container.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub stop_signal: String,
    /// Whether `cmd` is already escaped (Windows only).
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "is_false"
    )]
    pub args_escaped: bool,
    /// How docker tests that the container works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<HealthConfig>,
    /// Instructions for images that are built on this one.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub on_build: Vec<String>,
    /// The shell of the shell forms of RUN, CMD and ENTRYPOINT.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub shell: Vec<String>,
    /// Whatever else was there: `MacAddress`, `NetworkDisabled`, `StopTimeout` …
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// HEALTHCHECK. Durations are nanoseconds; 0 means docker's default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HealthConfig {
    /// `["NONE"]`, `["CMD", args…]` or `["CMD-SHELL", command]`; empty inherits.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub test: Vec<String>,
    /// Time between two tests.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "is_zero"
    )]
    pub interval: i64,
    /// How long a test may take.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "is_zero"
    )]
    pub timeout: i64,
    /// How long failures do not count after the start.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "is_zero"
    )]
    pub start_period: i64,
    /// Time between two tests during the start period.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "is_zero"
    )]
    pub start_interval: i64,
    /// How many failures in a row make the container unhealthy.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "is_zero"
    )]
    pub retries: i64,
}

/// One step in the making of an image (image-spec `config.md`, `history`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// When (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// What was done.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub created_by: String,
    /// By whom.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub author: String,
    /// A remark.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub comment: String,
    /// Whether the step made no layer.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "is_false"
    )]
    pub empty_layer: bool,
    /// Whatever else was there.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The layers an image is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type", default = "layers")]
    pub kind: String,
    /// The digests of the uncompressed layers, the lowest first.
    #[serde(default, deserialize_with = "null_is_default")]
    pub diff_ids: Vec<Digest>,
}

impl Default for RootFs {
    fn default() -> Self {
        Self {
            kind: layers(),
            diff_ids: Vec::new(),
        }
    }
}

fn layers() -> String {
    "layers".to_owned()
}

fn is_false(value: &bool) -> bool {
    !value
}

fn is_zero(value: &i64) -> bool {
    *value == 0
}

/// Go's `map[string]struct{}`: a set, written as an object of empty objects.
mod keys {
    use super::*;

    pub fn serialize<S: Serializer>(
        set: &BTreeSet<String>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(set.len()))?;
        for key in set {
            map.serialize_entry(key, &Map::new())?;
        }
        map.end()
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeSet<String>, D::Error> {
        let map = Option::<Map<String, Value>>::deserialize(deserializer)?.unwrap_or_default();
        Ok(map.into_iter().map(|(key, _)| key).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_is_written_in_buildkits_order() {
        let config = ImageConfig {
            created: Some("2024-01-01T00:00:00Z".into()),
            config: ContainerConfig {
                env: vec!["PATH=/bin".into()],
                cmd: vec!["sh".into()],
                exposed_ports: ["80/tcp".to_owned()].into(),
                volumes: ["/b".to_owned(), "/a".to_owned()].into(),
                healthcheck: Some(HealthConfig {
                    test: vec!["NONE".into()],
                    retries: 3,
                    ..HealthConfig::default()
                }),
                on_build: vec!["RUN x".into()],
                ..ContainerConfig::default()
            },
            history: vec![History {
                created_by: "RUN".into(),
                empty_layer: true,
                ..History::default()
            }],
            ..ImageConfig::for_platform(&"linux/amd64".parse().unwrap())
        };
        assert_eq!(
            String::from_utf8(config.to_json()).unwrap(),
            concat!(
                r#"{"architecture":"amd64","config":{"ExposedPorts":{"80/tcp":{}},"Env":["PATH=/bin"],"Cmd":["sh"],"#,
                r#""Volumes":{"/a":{},"/b":{}},"Healthcheck":{"Test":["NONE"],"Retries":3},"OnBuild":["RUN x"]},"#,
                r#""created":"2024-01-01T00:00:00Z","history":[{"created_by":"RUN","empty_layer":true}],"os":"linux","#,
                r#""rootfs":{"type":"layers","diff_ids":[]}}"#
            )
        );
        assert_eq!(
            ImageConfig::parse(&config.to_json(), "test").unwrap(),
            config
        );
    }

    #[test]
    fn docker_nulls_are_nothing_and_unknown_fields_survive() {
        let json = br#"{"architecture":"amd64","os":"linux","docker_version":"1","config":{"Hostname":"h","Cmd":null,
            "Volumes":null,"Labels":null,"Env":null,"OnBuild":null,"Healthcheck":null},"rootfs":{"type":"layers","diff_ids":null}}"#;
        let config = ImageConfig::parse(json, "test").unwrap();
        assert_eq!(config.config.cmd, Vec::<String>::new());
        let written = String::from_utf8(config.to_json()).unwrap();
        assert!(
            written.contains(r#""docker_version":"1""#) && written.contains(r#""Hostname":"h""#),
            "{written}"
        );
        let inherited = String::from_utf8(config.without_unknown().to_json()).unwrap();
        assert!(
            !inherited.contains("docker_version") && !inherited.contains("Hostname"),
            "{inherited}"
        );
    }
}
