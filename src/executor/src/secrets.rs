//! The secrets of a build, from `--secret id=…,src=…|env=…`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::error::{Error, Result};

/// BuildKit refuses larger ones (`session/secrets/secrets.go`).
const MAX_SIZE: u64 = 500 * 1024;

/// One `--secret`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// What steps ask for.
    pub id: String,
    /// Where its value is.
    pub source: SecretSource,
}

/// Where the value of a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// In a file.
    File(PathBuf),
    /// In an environment variable of this process.
    Env(String),
}

/// The secrets that were given to a build, by id.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    by_id: BTreeMap<String, SecretSource>,
}

impl FromStr for Secret {
    type Err = Error;

    /// Understands what buildx does: comma-separated `id=`, `src=` or `source=`, `env=`, `type=file|env`.
    fn from_str(value: &str) -> Result<Self> {
        let refuse = |message: String| Error::SecretOption {
            value: value.to_owned(),
            message,
        };
        let (mut id, mut src, mut env, mut kind) = (None, None, None, None);
        for field in split_csv(value).map_err(refuse)? {
            let Some((key, content)) = field.split_once('=') else {
                return Err(refuse(format!(
                    "invalid field '{field}' must be a key=value pair"
                )));
            };
            let content = content.to_owned();
            match key.to_ascii_lowercase().as_str() {
                "id" => id = Some(content),
                "src" | "source" => src = Some(content),
                "env" => env = Some(content),
                "type" if content == "file" || content == "env" => kind = Some(content),
                "type" => return Err(refuse(format!("unsupported secret type \"{content}\""))),
                _ => return Err(refuse(format!("unexpected key '{key}' in '{field}'"))),
            }
        }
        let Some(id) = id.filter(|id| !id.is_empty()) else {
            return Err(refuse("secret missing ID".to_owned()));
        };
        let (src, mut env) = (
            src.filter(|src| !src.is_empty()),
            env.filter(|env| !env.is_empty()),
        );
        // buildx: `type=env` lets `src` name the variable.
        let src = match (kind.as_deref(), &env) {
            (Some("env"), None) => {
                env = src;
                None
            }
            _ => src,
        };
        let source = match (src, env) {
            // BuildKit's store looks at the variable first when both are given.
            (_, Some(env)) => SecretSource::Env(env),
            (Some(src), None) => SecretSource::File(src.into()),
            (None, None) if kind.as_deref() != Some("file") && std::env::var_os(&id).is_some() => {
                SecretSource::Env(id.clone())
            }
            (None, None) => SecretSource::File(id.clone().into()),
        };
        Ok(Self { id, source })
    }
}

impl Secrets {
    /// The secrets of these `--secret` values. A file that does not exist or is too large is refused now, as docker does.
    pub fn parse<S: AsRef<str>>(values: impl IntoIterator<Item = S>) -> Result<Self> {
        let mut secrets = Self::default();
        for value in values {
            let value = value.as_ref();
            let secret: Secret = value.parse()?;
            if let SecretSource::File(path) = &secret.source {
                let size = std::fs::metadata(path)
                    .map_err(Error::file("look at the secret", path))?
                    .len();
                if size > MAX_SIZE {
                    return Err(Error::SecretOption {
                        value: value.to_owned(),
                        message: format!("secret {} too big. max size 500KB", secret.id),
                    });
                }
            }
            secrets.insert(secret);
        }
        Ok(secrets)
    }

    /// Adds one; of equal ids the last counts.
    pub fn insert(&mut self, secret: Secret) {
        self.by_id.insert(secret.id, secret.source);
    }

    /// Whether one with this id was given.
    pub fn contains(&self, id: &str) -> bool {
        self.by_id.contains_key(id)
    }

    /// The value of the secret; nothing if it was not given.
    pub(crate) fn value(&self, id: &str) -> Result<Option<Vec<u8>>> {
        match self.by_id.get(id) {
            None => Ok(None),
            // BuildKit: a variable that is not set is an empty secret.
            Some(SecretSource::Env(name)) => Ok(Some(
                std::env::var_os(name)
                    .map(OsString::into_vec)
                    .unwrap_or_default(),
            )),
            Some(SecretSource::File(path)) => std::fs::read(path)
                .map(Some)
                .map_err(Error::file("read the secret", path)),
        }
    }
}

/// The fields of one line of comma-separated values; a field may stand in double quotes.
fn split_csv(line: &str) -> Result<Vec<String>, String> {
    let mut fields = vec![String::new()];
    let mut chars = line.chars().peekable();
    let mut quoted = false;
    let mut start = true;
    while let Some(char) = chars.next() {
        let Some(field) = fields.last_mut() else {
            break;
        };
        match char {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if start => quoted = true,
            '"' => return Err("a bare \" in a field that is not quoted".to_owned()),
            ',' if !quoted => {
                fields.push(String::new());
                start = true;
                continue;
            }
            _ => field.push(char),
        }
        start = false;
    }
    if quoted {
        return Err("a \" is not closed".to_owned());
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_as_buildx_reads_them() {
        let file = |path: &str| SecretSource::File(path.into());
        let env = |name: &str| SecretSource::Env(name.to_owned());
        let cases = [
            ("id=a,src=b", "a", file("b")),
            ("id=a,source=b", "a", file("b")),
            ("ID=a,type=file,src=b=c", "a", file("b=c")),
            ("id=a", "a", file("a")),
            ("id=PATH", "PATH", env("PATH")),
            ("id=PATH,type=file", "PATH", file("PATH")),
            ("id=a,env=B", "a", env("B")),
            ("type=env,id=a,src=B", "a", env("B")),
            ("id=a,\"src=b,c\"", "a", file("b,c")),
        ];
        for (value, id, source) in cases {
            let secret: Secret = value.parse().expect(value);
            assert_eq!((secret.id.as_str(), secret.source), (id, source), "{value}");
        }
    }

    #[test]
    fn wrong_options_are_refused_with_what_is_wrong() {
        let cases = [
            ("src=b", "secret missing ID"),
            ("id=", "secret missing ID"),
            ("id=a,foo", "invalid field 'foo' must be a key=value pair"),
            ("id=a,foo=b", "unexpected key 'foo'"),
            ("id=a,type=vault", "unsupported secret type \"vault\""),
            ("id=a,\"src=b", "not closed"),
        ];
        for (value, expected) in cases {
            let error = value.parse::<Secret>().expect_err(value).to_string();
            assert!(error.contains(expected), "`{value}` says `{error}`");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_refused_at_once() {
        let error = Secrets::parse(["id=a,src=/does/not/exist"]).expect_err("no such file");
        assert!(error.to_string().contains("/does/not/exist"), "{error}");
    }
}
