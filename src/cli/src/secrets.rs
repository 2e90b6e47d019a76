//! `--secret id=ID,src=FILE|env=NAME`: where the values of secrets are, written as buildx has it.

use std::env;
use std::fs;

use stromatekt_dockerfile::csv;
use stromatekt_executor::{Secret, SecretSource, Secrets};

use crate::error::{Error, Result};

const OPTION: &str = "--secret";

/// BuildKit refuses larger ones (`session/secrets/secrets.go`).
const MAX_SIZE: u64 = 500 * 1024;

/// The secrets of these values; of equal ids the last counts. A file that is not there or is too large is refused now, as docker does.
///
/// # Errors
/// When a value cannot be understood, or its file cannot be used.
pub fn parse(values: &[String]) -> Result<Secrets> {
    let mut secrets = Secrets::default();
    for value in values {
        let secret = one(value)?;
        if let SecretSource::File(path) = &secret.source {
            let metadata = fs::metadata(path).map_err(Error::file("look at the secret", path))?;
            if metadata.len() > MAX_SIZE {
                let reason = format!("secret {} too big. max size 500KB", secret.id);
                return Err(refuse(value, reason));
            }
        }
        secrets.insert(secret);
    }
    Ok(secrets)
}

fn one(value: &str) -> Result<Secret> {
    let refuse = |reason| refuse(value, reason);
    let (mut id, mut src, mut env, mut kind) = (None, None, None, None);
    for field in csv::fields(value).map_err(refuse)? {
        let Some((key, content)) = field.split_once('=') else {
            let reason = format!("invalid field '{field}' must be a key=value pair");
            return Err(refuse(reason));
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
        (None, None) if kind.as_deref() != Some("file") && env::var_os(&id).is_some() => {
            SecretSource::Env(id.clone())
        }
        (None, None) => SecretSource::File(id.clone().into()),
    };
    Ok(Secret { id, source })
}

fn refuse(value: &str, reason: String) -> Error {
    Error::Option {
        option: OPTION,
        value: value.to_owned(),
        reason,
        hint: Some("write it as id=ID,src=FILE or id=ID,env=NAME".into()),
    }
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
            let secret = one(value).expect(value);
            assert_eq!((secret.id.as_str(), secret.source), (id, source), "{value}");
        }
    }

    #[test]
    fn wrong_options_are_refused_with_what_is_wrong() {
        for (value, expected) in [
            ("src=b", "secret missing ID"),
            ("id=", "secret missing ID"),
            ("id=a,foo", "invalid field 'foo' must be a key=value pair"),
            ("id=a,foo=b", "unexpected key 'foo'"),
            ("id=a,type=vault", "unsupported secret type \"vault\""),
            ("id=a,\"src=b", "not closed"),
            ("id=a,src=/does/not/exist", "/does/not/exist"),
        ] {
            let error = parse(&[value.to_owned()]).expect_err(value).to_string();
            assert!(error.contains(expected), "`{value}` says `{error}`");
        }
    }
}
