//! What a case's `case.yaml` may say. A key that is not known here is an error.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};

/// `case.yaml`, as it is written.
#[derive(Clone, Debug, Default, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Definition {
    /// The point of the case, where its Dockerfile cannot carry it.
    pub point: Option<String>,
    /// Arguments of every builder; `{work}` and `{server}` are replaced.
    pub args: Vec<String>,
    /// The environment of every builder; `{work}` and `{server}` are replaced.
    pub env: BTreeMap<String, String>,
    /// What it is compared with; both when it does not say.
    pub builders: Option<Vec<Reference>>,
    /// No docker at hand knows it yet: what stromatekt makes is checked by `expect` or `fails` alone.
    pub newest_only: bool,
    /// What must be in stromatekt's image.
    pub expect: Expectations,
    /// The build must fail.
    pub fails: Option<Failure>,
    /// A sh script that runs in the private copy before the builds.
    pub setup: Option<String>,
    /// The context, where it is not the folder itself.
    pub context: Option<String>,
    /// The folder's `www` is served over HTTP.
    pub serve: bool,
    /// The file that the builders have on standard input.
    pub stdin: Option<String>,
    /// Differences that are right.
    pub accept: Vec<Accepted>,
    /// What the newest reference says, where versions of docker differ.
    pub newest: Option<String>,
}

impl Definition {
    /// The value of an argument of the builders, which has these names; the last one counts.
    #[must_use]
    pub fn argument(&self, names: &[&str]) -> Option<String> {
        let mut value = None;
        let mut rest = self.args.iter();
        while let Some(arg) = rest.next() {
            let joined = arg.split_once('=').filter(|(name, _)| names.contains(name));
            if let Some((_, joined)) = joined {
                value = Some(joined.to_owned());
            } else if names.contains(&arg.as_str()) {
                value = rest.next().cloned();
            }
        }
        value
    }
}

/// A builder of docker's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reference {
    /// What `docker build` is today.
    Buildkit,
    /// What it was before (`DOCKER_BUILDKIT=0`).
    Classic,
}

impl Reference {
    /// All there are.
    pub const ALL: [Self; 2] = [Self::Buildkit, Self::Classic];

    /// Its name in `case.yaml` and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Buildkit => "buildkit",
            Self::Classic => "classic",
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Reference {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|reference| reference.name() == text)
            .ok_or_else(|| {
                format!("`{text}` is no builder to compare with: buildkit and classic are")
            })
    }
}

/// How a build must fail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// The line of the Dockerfile that all must blame.
    pub line: Option<u32>,
    /// What stromatekt's error must contain.
    pub says: Option<String>,
}

impl<'de> Deserialize<'de> for Failure {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Detail {
            line: Option<u32>,
            says: Option<String>,
        }

        struct Of;
        impl<'de> Visitor<'de> for Of {
            type Value = Failure;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`true`, or a map of `line` and `says`")
            }

            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Failure, E> {
                if value {
                    Ok(Failure::default())
                } else {
                    Err(E::invalid_value(de::Unexpected::Bool(false), &self))
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Failure, A::Error> {
                let detail = Detail::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Failure {
                    line: detail.line,
                    says: detail.says,
                })
            }
        }
        deserializer.deserialize_any(Of)
    }
}

/// A difference that is right.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accepted {
    /// A pattern that the difference's place matches.
    pub difference: String,
    /// Why it is right, in one sentence.
    pub why: String,
    /// Only where compared with this one.
    pub builder: Option<Reference>,
}

/// What must be in an image.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expectations {
    /// By absolute path.
    pub paths: BTreeMap<String, Expected>,
    /// By the name of a field of the image's config document, as in `config.Env`.
    pub config: BTreeMap<String, serde_json::Value>,
}

impl Expectations {
    /// Whether nothing is expected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty() && self.config.is_empty()
    }
}

/// What must be at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Nothing.
    Absent,
    /// A file with these properties; what is not said may be anything.
    File(Properties),
}

/// Properties of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Properties {
    /// `file`, `directory`, `symlink`, `fifo`, `character-device`, `block-device`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// In octal, with four digits.
    pub mode: Option<String>,
    /// `UID:GID`.
    pub owner: Option<String>,
    /// All of it.
    pub content: Option<String>,
    /// Where a symbolic link points.
    pub target: Option<String>,
}

impl<'de> Deserialize<'de> for Expected {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Of;
        impl<'de> Visitor<'de> for Of {
            type Value = Expected;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`absent`, or a map of `type`, `mode`, `owner`, `content` and `target`")
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<Expected, E> {
                if value == "absent" {
                    Ok(Expected::Absent)
                } else {
                    Err(E::invalid_value(de::Unexpected::Str(value), &self))
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Expected, A::Error> {
                Properties::deserialize(MapAccessDeserializer::new(map)).map(Expected::File)
            }
        }
        deserializer.deserialize_any(Of)
    }
}

impl<'de> Deserialize<'de> for Expectations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Of;
        impl<'de> Visitor<'de> for Of {
            type Value = Expectations;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of absolute paths and fields of the config")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Expectations, A::Error> {
                let mut all = Expectations::default();
                while let Some(key) = map.next_key::<String>()? {
                    if key.starts_with('/') {
                        all.paths.insert(key, map.next_value()?);
                    } else {
                        all.config.insert(key, map.next_value()?);
                    }
                }
                Ok(all)
            }
        }
        deserializer.deserialize_map(Of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Definition, String> {
        serde_yaml::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn everything_that_a_case_may_say_is_read() {
        let definition = read(
            "point: p\nargs: [--build-arg, A=1]\nenv: {A: b}\nbuilders: [buildkit]\nnewest-only: true\n\
             expect: {/a: {type: file, mode: '0644'}, /b: absent, config.Env: [A=1]}\nfails: {line: 3, says: no}\n\
             setup: |\n  mkdir a\ncontext: sub\nserve: true\nstdin: f\n\
             accept:\n  - {difference: 'history[*]', why: so, builder: classic}\nnewest: n\n",
        )
        .expect("it is sound");
        assert_eq!(definition.builders, Some(vec![Reference::Buildkit]));
        assert_eq!(
            definition.fails,
            Some(Failure {
                line: Some(3),
                says: Some("no".into())
            })
        );
        assert_eq!(definition.expect.paths["/b"], Expected::Absent);
        assert_eq!(
            definition.expect.config["config.Env"],
            serde_json::json!(["A=1"])
        );
        assert_eq!(definition.accept[0].builder, Some(Reference::Classic));
    }

    #[test]
    fn a_failure_may_be_told_by_true_alone() {
        assert_eq!(
            read("fails: true").expect("it is sound").fails,
            Some(Failure::default())
        );
        read("fails: false").expect_err("that is said by not saying it");
    }

    #[test]
    fn what_is_not_known_is_refused_with_its_line() {
        for (text, line) in [
            ("point: p\nbuilder: [buildkit]\n", 2),
            ("fails:\n  lines: 3\n", 2),
            ("builders: [podman]\n", 1),
            ("args: []\naccept:\n  - {difference: x, because: y}\n", 3),
            ("expect:\n  /a: gone\n", 2),
            ("expect:\n  /a: {size: 3}\n", 2),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(&format!("line {line}")), "{text:?}: {error}");
        }
    }
}
