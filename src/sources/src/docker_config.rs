//! Docker's `config.json`: where it is, and what is kept in it.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// Where the program was told to look, instead of where the environment says.
static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();

/// A config file.
#[derive(Clone, Debug)]
pub struct DockerConfig {
    file: PathBuf,
}

/// What docker tells steps of proxies, by the keys of the file.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Proxies {
    http_proxy: String,
    https_proxy: String,
    no_proxy: String,
    ftp_proxy: String,
    all_proxy: String,
}

impl DockerConfig {
    /// From now on, the config is the one in this directory (`--config`). Only the first call counts.
    pub fn choose_directory(directory: PathBuf) {
        // Called once, when the command line is read.
        let _ = DIRECTORY.set(directory);
    }

    /// That of this user: in the chosen directory, in `$DOCKER_CONFIG`, or else in `~/.docker`. Nothing where there is none of them.
    #[must_use]
    pub fn of_user() -> Option<Self> {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let directory = DIRECTORY
            .get()
            .cloned()
            .or_else(|| set("DOCKER_CONFIG").map(PathBuf::from))
            .or_else(|| set("HOME").map(|home| PathBuf::from(home).join(".docker")))?;
        Some(Self::at(directory.join("config.json")))
    }

    /// This file.
    #[must_use]
    pub fn at(file: PathBuf) -> Self {
        Self { file }
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.file
    }

    /// All of it; empty where there is no file.
    ///
    /// # Errors
    /// When it cannot be read, or is no JSON object.
    pub fn read(&self) -> Result<Map<String, Value>> {
        match std::fs::read(&self.file) {
            Ok(text) => serde_json::from_slice(&text).map_err(|error| self.error(error)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Map::new()),
            Err(error) => Err(self.error(error)),
        }
    }

    /// Replaces it, in one step. It has secrets in it: nobody else may read it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, content: &Map<String, Value>) -> Result<()> {
        let write = || {
            // A link stays one.
            let file = self
                .file
                .canonicalize()
                .unwrap_or_else(|_| self.file.clone());
            let directory = file.parent().unwrap_or(Path::new("."));
            std::fs::create_dir_all(directory)?;
            let mut new = tempfile::NamedTempFile::new_in(directory)?;
            // As docker writes it: with tabs.
            let mut text = Vec::new();
            let tabs = serde_json::ser::PrettyFormatter::with_indent(b"\t");
            let mut serializer = serde_json::Serializer::with_formatter(&mut text, tabs);
            serde::Serialize::serialize(content, &mut serializer)?;
            new.write_all(&text)?;
            new.as_file()
                .set_permissions(std::fs::Permissions::from_mode(0o600))?;
            new.persist(&file).map_err(|error| error.error)?;
            Ok::<_, std::io::Error>(())
        };
        write().map_err(|error| self.error(error))
    }

    /// The build args that docker makes of `proxies`: each variable in capitals and in small letters.
    ///
    /// # Errors
    /// When the file cannot be read, or says something else of proxies.
    pub fn proxy_args(&self) -> Result<BTreeMap<String, String>> {
        let content = self.read()?;
        let default = content
            .get("proxies")
            .and_then(|proxies| proxies.get("default"));
        let proxies = match default {
            Some(default) => Proxies::deserialize(default).map_err(|error| self.error(error))?,
            None => Proxies::default(),
        };
        let all = [
            ("HTTP_PROXY", proxies.http_proxy),
            ("HTTPS_PROXY", proxies.https_proxy),
            ("NO_PROXY", proxies.no_proxy),
            ("FTP_PROXY", proxies.ftp_proxy),
            ("ALL_PROXY", proxies.all_proxy),
        ];
        let set = all.into_iter().filter(|(_, value)| !value.is_empty());
        Ok(set
            .flat_map(|(name, value)| {
                let small = name.to_ascii_lowercase();
                [(name.to_owned(), value.clone()), (small, value)]
            })
            .collect())
    }

    pub(crate) fn error(&self, reason: impl ToString) -> Error {
        Error::Credentials {
            path: self.file.clone(),
            reason: reason.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_become_build_args_in_both_spellings() {
        let directory = tempfile::tempdir().unwrap();
        let config = DockerConfig::at(directory.path().join("config.json"));
        assert!(config.proxy_args().unwrap().is_empty());
        let text = r#"{"proxies": {"default": {"httpProxy": "http://p:1", "noProxy": "a,b"}}}"#;
        std::fs::write(config.path(), text).unwrap();
        let args: Vec<_> = config.proxy_args().unwrap().into_iter().collect();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            args,
            [
                pair("HTTP_PROXY", "http://p:1"),
                pair("NO_PROXY", "a,b"),
                pair("http_proxy", "http://p:1"),
                pair("no_proxy", "a,b"),
            ]
        );
        std::fs::write(
            config.path(),
            r#"{"proxies": {"default": {"httpProxy": 1}}}"#,
        )
        .unwrap();
        assert!(config.proxy_args().is_err());
    }

    #[test]
    fn what_is_written_is_read_and_private() {
        let directory = tempfile::tempdir().unwrap();
        let config = DockerConfig::at(directory.path().join("new/config.json"));
        let mut content = config.read().unwrap();
        content.insert("a".to_owned(), Value::from(1));
        config.write(&content).unwrap();
        assert_eq!(config.read().unwrap(), content);
        let mode = std::fs::metadata(config.path())
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
