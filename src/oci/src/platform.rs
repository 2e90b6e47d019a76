//! Platforms: operating system and processor, normalized and matched as containerd does.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::descriptor::{Descriptor, Index};
use crate::error::{Error, Result};

/// What an image runs on (image-spec `image-index.md`, `platform`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Platform {
    /// The processor, by Go's name: `amd64`, `arm64`, `riscv64` …
    #[serde(default)]
    pub architecture: String,
    /// The operating system, by Go's name.
    #[serde(default)]
    pub os: String,
    /// The version of the operating system (Windows only).
    #[serde(
        default,
        rename = "os.version",
        skip_serializing_if = "Option::is_none"
    )]
    pub os_version: Option<String>,
    /// What the operating system must offer (Windows only).
    #[serde(default, rename = "os.features", skip_serializing_if = "Vec::is_empty")]
    pub os_features: Vec<String>,
    /// The processor's variant: `v7` of `arm`, `v3` of `amd64`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl Platform {
    /// A platform without variant.
    #[must_use]
    pub fn new(os: &str, architecture: &str) -> Self {
        Self {
            architecture: architecture.to_owned(),
            os: os.to_owned(),
            os_version: None,
            os_features: Vec::new(),
            variant: None,
        }
    }

    /// What this machine runs.
    #[must_use]
    pub fn host() -> Self {
        let (architecture, variant) = match std::env::consts::ARCH {
            "x86" => ("386", None),
            "arm" => ("arm", Some("v7")),
            "powerpc64" => (
                if cfg!(target_endian = "little") {
                    "ppc64le"
                } else {
                    "ppc64"
                },
                None,
            ),
            "loongarch64" => ("loong64", None),
            other => (other, None),
        };
        let variant = variant.map(str::to_owned);
        Self {
            variant,
            ..Self::new("linux", architecture)
        }
        .normalized()
    }

    /// The one spelling of this platform: `x86_64` is `amd64`, `aarch64` and `arm64/v8` are `arm64`, `arm` is `arm/v7`.
    #[must_use]
    pub fn normalized(&self) -> Self {
        let os = match self.os.to_ascii_lowercase() {
            os if os.is_empty() => "linux".to_owned(),
            os if os == "macos" => "darwin".to_owned(),
            os => os,
        };
        let architecture = self.architecture.to_ascii_lowercase();
        let variant = self
            .variant
            .as_deref()
            .unwrap_or_default()
            .to_ascii_lowercase();
        let (architecture, variant) = match (architecture.as_str(), variant.as_str()) {
            ("i386", _) => ("386", ""),
            ("x86_64" | "x86-64" | "amd64", "v1") => ("amd64", ""),
            ("x86_64" | "x86-64", variant) => ("amd64", variant),
            ("aarch64" | "arm64", "8" | "v8" | "v8.0") => ("arm64", ""),
            ("aarch64" | "arm64", "9" | "9.0" | "v9.0") => ("arm64", "v9"),
            ("aarch64", variant) => ("arm64", variant),
            ("armhf", _) | ("arm", "" | "7") => ("arm", "v7"),
            ("armel", _) | ("arm", "6") => ("arm", "v6"),
            ("arm", "5") => ("arm", "v5"),
            ("arm", "8") => ("arm", "v8"),
            other => other,
        };
        Self {
            architecture: architecture.to_owned(),
            os,
            os_version: self.os_version.clone(),
            os_features: self.os_features.clone(),
            variant: (!variant.is_empty()).then(|| variant.to_owned()),
        }
    }

    /// Whether an image for `image` is exactly for this platform.
    #[must_use]
    pub fn is_same(&self, image: &Self) -> bool {
        self.normalized().machine() == image.normalized().machine()
    }

    /// Whether an image for `image` can run here, and how far it is from the best: 0 is this platform itself.
    #[must_use]
    pub fn rank(&self, image: &Self) -> Option<usize> {
        let image = image.normalized();
        let here = self.normalized();
        if image.os != here.os {
            return None;
        }
        let image = (image.architecture, image.variant);
        here.runs().into_iter().position(|machine| machine == image)
    }

    /// The entry of `index` that suits this platform best; the first of equals.
    #[must_use]
    pub fn select<'a>(&self, index: &'a Index) -> Option<&'a Descriptor> {
        let entries = index.manifests.iter();
        self.best(entries.filter_map(|entry| Some((entry.platform.as_ref()?, entry))))
    }

    /// Of what is for these platforms, that which suits this one best; the first of equals.
    #[must_use]
    pub fn best<'a, T>(&self, all: impl IntoIterator<Item = (&'a Self, T)>) -> Option<T> {
        all.into_iter()
            .filter_map(|(platform, one)| Some((self.rank(platform)?, one)))
            .min_by_key(|(rank, _)| *rank)
            .map(|(_, one)| one)
    }

    fn machine(&self) -> (&str, &str, Option<&str>) {
        (&self.os, &self.architecture, self.variant.as_deref())
    }

    /// The processors whose programs run on this one, the best first: as containerd orders them.
    fn runs(&self) -> Vec<(String, Option<String>)> {
        let of = |variant: String| (self.architecture.clone(), Some(variant));
        let version = self
            .variant
            .as_deref()
            .and_then(|variant| variant.strip_prefix('v'));
        // Small numbers: an index may say any, and all below are listed.
        let major = version.and_then(|version| version.parse::<u8>().ok());
        let mut machines = vec![(self.architecture.clone(), self.variant.clone())];
        match self.architecture.as_str() {
            "amd64" => {
                machines.extend((2..major.unwrap_or(1)).rev().map(|n| of(format!("v{n}"))));
                machines.push(("amd64".to_owned(), None));
                machines.push(("386".to_owned(), None));
            }
            "arm" => machines.extend((5..major.unwrap_or(5)).rev().map(|n| of(format!("v{n}")))),
            "arm64" => {
                let (major, minor) = match version.unwrap_or("8").split_once('.') {
                    Some((major, minor)) => {
                        (major.parse().unwrap_or(8), minor.parse().unwrap_or(0))
                    }
                    None => (
                        version
                            .and_then(|version| version.parse().ok())
                            .unwrap_or(8),
                        0,
                    ),
                };
                let minors =
                    |major: u8, from: u8| (1..=from).rev().map(move |n| format!("v{major}.{n}"));
                if major == 9 {
                    // v9.n has all that v8.(n+5) has, as the Arm architecture defines it.
                    machines.extend(minors(9, minor).map(of));
                    machines.push(of("v9".to_owned()));
                    machines.extend(minors(8, minor.saturating_add(5).min(9)).map(of));
                } else {
                    machines.extend(minors(8, minor.min(9)).map(of));
                }
                machines.push(("arm64".to_owned(), None));
                machines.extend(
                    (5..=8)
                        .rev()
                        .map(|n| ("arm".to_owned(), Some(format!("v{n}")))),
                );
            }
            _ => {}
        }
        machines
    }
}

impl Default for Platform {
    fn default() -> Self {
        Self::host()
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.os.is_empty() {
            return f.write_str("unknown");
        }
        f.write_str(&self.os)?;
        if let Some(version) = &self.os_version {
            write!(f, "({version})")?;
        }
        write!(f, "/{}", self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Platform {
    type Err = Error;

    /// Parses `OS[(VERSION)]/ARCHITECTURE[/VARIANT]`; one word alone is an operating system or a processor, and the host's is the
    /// other half.
    fn from_str(text: &str) -> Result<Self> {
        let invalid = |reason| Error::InvalidPlatform {
            text: text.to_owned(),
            reason,
        };
        if text.contains('*') {
            return Err(invalid("wildcards are not allowed"));
        }
        let parts: Vec<&str> = text.split('/').collect();
        let (os, version) = match parts[0].split_once('(') {
            Some((os, rest)) => match rest.strip_suffix(')') {
                Some(version) => (os, Some(version)),
                None => {
                    return Err(invalid(
                        "the version of the system has no closing parenthesis",
                    ));
                }
            },
            None => (parts[0], None),
        };
        let is_word = |word: &str| {
            !word.is_empty()
                && word
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
        };
        if !is_word(os) || !parts[1..].iter().all(|part| is_word(part)) {
            return Err(invalid(
                "each part is made of letters, digits, `.`, `_` and `-`",
            ));
        }
        let mut platform = match parts[1..] {
            [] if KNOWN_SYSTEMS.contains(&os.to_ascii_lowercase().as_str()) => Self {
                os: os.to_owned(),
                ..Self::host()
            },
            [] => {
                let platform = Self::new("linux", os).normalized();
                if !KNOWN_PROCESSORS.contains(&platform.architecture.as_str()) {
                    return Err(invalid(
                        "it is neither an operating system nor a processor that is known",
                    ));
                }
                platform
            }
            [architecture] => Self::new(os, architecture),
            [architecture, variant] => Self {
                variant: Some(variant.to_owned()),
                ..Self::new(os, architecture)
            },
            _ => return Err(invalid("it has more than three parts")),
        };
        platform.os_version = version.map(str::to_owned);
        Ok(platform.normalized())
    }
}

const KNOWN_SYSTEMS: [&str; 8] = [
    "linux", "windows", "darwin", "macos", "freebsd", "netbsd", "openbsd", "solaris",
];
const KNOWN_PROCESSORS: [&str; 15] = [
    "386", "amd64", "arm", "arm64", "loong64", "mips", "mipsle", "mips64", "mips64le", "ppc64",
    "ppc64le", "riscv64", "s390x", "sparc64", "wasm",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_platform_are_one() {
        for (text, normal) in [
            ("linux/x86_64", "linux/amd64"),
            ("linux/amd64/v1", "linux/amd64"),
            ("linux/amd64/v3", "linux/amd64/v3"),
            ("linux/arm64/v8", "linux/arm64"),
            ("Linux/aarch64", "linux/arm64"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/arm/6", "linux/arm/v6"),
            ("linux/armhf", "linux/arm/v7"),
            ("riscv64", "linux/riscv64"),
            ("arm64", "linux/arm64"),
            ("windows(10.0.1)/amd64", "windows(10.0.1)/amd64"),
        ] {
            assert_eq!(
                text.parse::<Platform>().unwrap().to_string(),
                normal,
                "{text}"
            );
        }
        assert_eq!("linux".parse::<Platform>().unwrap(), Platform::host());
    }

    #[test]
    fn what_is_no_platform_is_refused() {
        for text in [
            "",
            "/",
            "linux/",
            "beos",
            "linux/amd64/v3/x",
            "linux(1/amd64",
            "linux/*",
            "a b/c",
        ] {
            assert!(text.parse::<Platform>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_best_of_the_images_that_run_is_chosen() {
        let index = |platforms: &[&str]| Index {
            manifests: platforms
                .iter()
                .map(|text| Descriptor {
                    platform: text.parse().ok(),
                    ..Descriptor::default()
                })
                .collect(),
            ..Index::default()
        };
        for (here, there, chosen) in [
            (
                "linux/amd64",
                &["linux/arm64", "linux/amd64"][..],
                Some("linux/amd64"),
            ),
            (
                "linux/amd64/v3",
                &["linux/amd64", "linux/amd64/v2", "linux/amd64/v4"],
                Some("linux/amd64/v2"),
            ),
            ("linux/amd64", &["linux/amd64/v2"], None),
            ("linux/amd64", &["linux/386"], Some("linux/386")),
            (
                "linux/arm/v7",
                &["linux/arm/v5", "linux/arm/v6"],
                Some("linux/arm/v6"),
            ),
            (
                "linux/arm64/v8",
                &["linux/arm/v7", "linux/arm64"],
                Some("linux/arm64"),
            ),
            ("linux/arm64/v9", &["linux/arm64/v8"], Some("linux/arm64")),
            ("linux/amd64", &["windows/amd64", "unknown/unknown"], None),
        ] {
            let here: Platform = here.parse().unwrap();
            let index = index(there);
            let found = here
                .select(&index)
                .and_then(|entry| entry.platform.as_ref())
                .map(ToString::to_string);
            assert_eq!(found.as_deref(), chosen, "{here} of {there:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_platform_prints_as_itself_and_runs_its_own_images(
            text in "[a-z0-9]{1,7}(\\([0-9.]{1,5}\\))?/(amd64|arm|arm64|386|x86_64|[a-z0-9]{1,5})(/v?[0-9]{1,10}(\\.[0-9]{1,10})?)?",
        ) {
            let platform: Platform = text.parse().unwrap();
            proptest::prop_assert_eq!(platform.to_string().parse::<Platform>().unwrap(), platform.clone());
            proptest::prop_assert_eq!(platform.rank(&platform), Some(0));
            // Every processor that could run is listed, so there must not be any number of them.
            proptest::prop_assert!(platform.runs().len() <= 512);
        }
    }
}
