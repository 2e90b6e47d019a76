//! `RUN --mount=…`: its fields, expanded, as one typed mount (the rules of BuildKit's `parseMount`).

use stromatekt_dockerfile_parser::{boolean, nearest};
use stromatekt_graph::run::Sharing;

const KEYS: [&str; 19] = [
    "type",
    "from",
    "source",
    "src",
    "target",
    "dst",
    "destination",
    "readonly",
    "ro",
    "readwrite",
    "rw",
    "id",
    "sharing",
    "required",
    "size",
    "mode",
    "uid",
    "gid",
    "env",
];
const KINDS: [&str; 5] = ["bind", "cache", "tmpfs", "secret", "ssh"];
const SHARINGS: [&str; 3] = ["shared", "private", "locked"];

/// The kind of a mount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// A path of another tree.
    #[default]
    Bind,
    /// A directory that outlives builds.
    Cache,
    /// A file system in memory.
    Tmpfs,
    /// A secret.
    Secret,
    /// The socket of an ssh agent.
    Ssh,
}

/// A mount as written. Texts are empty where they are not given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MountFlag {
    /// The kind.
    pub kind: Kind,
    /// `from`.
    pub from: String,
    /// `source`.
    pub source: String,
    /// `target`.
    pub target: String,
    /// Whether writes are refused.
    pub read_only: bool,
    /// `size` in bytes.
    pub size: Option<u64>,
    /// `id`.
    pub id: String,
    /// `sharing`.
    pub sharing: Option<Sharing>,
    /// `required`.
    pub required: bool,
    /// `env`.
    pub env: Option<String>,
    /// `mode`.
    pub mode: Option<u32>,
    /// `uid`.
    pub uid: Option<u32>,
    /// `gid`.
    pub gid: Option<u32>,
}

/// What is wrong with a mount, and what would be right.
#[derive(Debug, PartialEq, Eq)]
pub struct MountError {
    /// What is wrong.
    pub reason: String,
    /// What would be right.
    pub help: Option<String>,
}

impl From<String> for MountError {
    fn from(reason: String) -> Self {
        Self { reason, help: None }
    }
}

impl MountFlag {
    /// Whether an owner or a mode is given.
    pub fn has_owner_or_mode(&self) -> bool {
        self.mode.is_some() || self.uid.is_some() || self.gid.is_some()
    }
}

/// Reads the fields of a mount, values expanded already, in order: `required` and `size` look at the type before them.
pub fn parse<'a>(
    fields: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
) -> Result<MountFlag, MountError> {
    let mut mount = MountFlag::default();
    let mut read_only = None;
    for (key, value) in fields {
        set_field(&mut mount, &mut read_only, key, value)?;
    }
    // Caches and memory are there to be written to.
    mount.read_only = read_only.unwrap_or(!matches!(mount.kind, Kind::Cache | Kind::Tmpfs));
    check(mount)
}

fn set_field(
    mount: &mut MountFlag,
    read_only: &mut Option<bool>,
    key: &str,
    value: Option<&str>,
) -> Result<(), MountError> {
    let lower = key.to_ascii_lowercase();
    if !KEYS.contains(&lower.as_str()) {
        return Err(MountError {
            reason: format!("unknown key `{key}`"),
            help: suggestion(&lower, &KEYS),
        });
    }
    let flag = || match value {
        None => Ok(true),
        Some(value) => {
            boolean(value).ok_or_else(|| format!("`{key}` is true or false, not `{value}`"))
        }
    };
    match lower.as_str() {
        "readonly" | "ro" => {
            *read_only = Some(flag()?);
            return Ok(());
        }
        "readwrite" | "rw" => {
            *read_only = Some(!flag()?);
            return Ok(());
        }
        "required" => {
            if !matches!(mount.kind, Kind::Secret | Kind::Ssh) {
                return Err(misplaced(key, "secret and ssh"));
            }
            mount.required = flag()?;
            return Ok(());
        }
        _ => {}
    }
    let Some(value) = value else {
        return Err(MountError {
            reason: format!("`{key}` has no value"),
            help: Some(format!("write it as {key}=value")),
        });
    };
    let number = |radix| {
        u32::from_str_radix(value, radix)
            .ok()
            .filter(|_| !value.starts_with('+'))
            .ok_or_else(|| format!("`{value}` is no value for `{key}`"))
    };
    match lower.as_str() {
        "type" => mount.kind = parse_kind(value)?,
        "from" => value.clone_into(&mut mount.from),
        "source" | "src" => value.clone_into(&mut mount.source),
        "target" | "dst" | "destination" => value.clone_into(&mut mount.target),
        "id" => value.clone_into(&mut mount.id),
        "sharing" => mount.sharing = Some(parse_sharing(value)?),
        "env" => mount.env = Some(value.to_owned()),
        "mode" => mount.mode = Some(number(8)?),
        "uid" => mount.uid = Some(number(10)?),
        "gid" => mount.gid = Some(number(10)?),
        // Only `size` is left.
        _ => {
            if mount.kind != Kind::Tmpfs {
                return Err(misplaced(key, "tmpfs"));
            }
            let size = parse_size(value).ok_or_else(|| MountError {
                reason: format!("`{value}` is no size"),
                help: Some("sizes are written as 100m or 1g".into()),
            })?;
            mount.size = (size > 0).then_some(size);
        }
    }
    Ok(())
}

fn misplaced(key: &str, kinds: &str) -> MountError {
    MountError {
        reason: format!("`{key}` belongs to mounts of type {kinds}"),
        help: Some(format!("put `type=` before `{key}`, or leave `{key}` out")),
    }
}

fn suggestion(word: &str, known: &[&str]) -> Option<String> {
    let nearest = nearest(word, known.iter().copied());
    Some(nearest.map_or_else(
        || format!("known are: {}", known.join(", ")),
        |nearest| format!("did you mean `{nearest}`?"),
    ))
}

fn parse_kind(value: &str) -> Result<Kind, MountError> {
    Ok(match value.to_ascii_lowercase().as_str() {
        "bind" => Kind::Bind,
        "cache" => Kind::Cache,
        "tmpfs" => Kind::Tmpfs,
        "secret" => Kind::Secret,
        "ssh" => Kind::Ssh,
        other => {
            return Err(MountError {
                reason: format!("unknown type `{value}`"),
                help: suggestion(other, &KINDS),
            });
        }
    })
}

fn parse_sharing(value: &str) -> Result<Sharing, MountError> {
    Ok(match value.to_ascii_lowercase().as_str() {
        "shared" => Sharing::Shared,
        "private" => Sharing::Private,
        "locked" => Sharing::Locked,
        other => {
            return Err(MountError {
                reason: format!("unknown sharing `{value}`"),
                help: suggestion(other, &SHARINGS),
            });
        }
    })
}

fn check(mount: MountFlag) -> Result<MountFlag, MountError> {
    let fail = |reason: &str| Err(MountError::from(reason.to_owned()));
    if mount.has_owner_or_mode() && matches!(mount.kind, Kind::Bind | Kind::Tmpfs) {
        return fail("`mode`, `uid` and `gid` belong to mounts of type cache, secret and ssh");
    }
    if mount.sharing.is_some() && mount.kind != Kind::Cache {
        return fail("`sharing` belongs to mounts of type cache");
    }
    match mount.kind {
        Kind::Secret if !mount.from.is_empty() => fail("a secret has no `from`"),
        Kind::Secret if !mount.source.is_empty() && !mount.id.is_empty() => {
            fail("`source` and `id` of a secret mean the same: give one of them")
        }
        Kind::Secret
            if mount.source.is_empty() && mount.id.is_empty() && mount.target.is_empty() =>
        {
            fail("a secret needs an `id` or a `target`")
        }
        Kind::Secret if mount.env.as_deref() == Some("") => fail("`env` of a secret needs a name"),
        Kind::Ssh if !mount.source.is_empty() => fail("an ssh socket has no `source`"),
        _ => Ok(mount),
    }
}

/// A size as docker's `go-units` reads it: a number with a binary unit (`k`, `m`, `g`, `t`, `p`, also as `kb`, `kib`).
fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let split = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit = unit.trim_start().to_ascii_lowercase();
    let (letter, rest) = match unit.chars().next() {
        Some(letter) => (letter, &unit[letter.len_utf8()..]),
        None => ('b', ""),
    };
    if !matches!(rest, "" | "b" | "ib") || (letter == 'b' && !rest.is_empty()) {
        return None;
    }
    let power = "bkmgtp".find(letter)?;
    let factor = 1024_u64.checked_pow(u32::try_from(power).ok()?)?;
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor);
    }
    let value = number.parse::<f64>().ok()? * factor as f64;
    // Saturates, which is far beyond any memory.
    (value.is_finite() && value >= 0.0).then_some(value as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<MountFlag, MountError> {
        parse(text.split(',').map(|field| match field.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (field, None),
        }))
    }

    #[test]
    fn the_default_is_a_read_only_bind() {
        let mount = read("target=/x").unwrap();
        assert_eq!((mount.kind, mount.read_only), (Kind::Bind, true));
        assert!(!read("target=/x,rw").unwrap().read_only);
        assert!(!read("type=cache,target=/x").unwrap().read_only);
        assert!(read("type=cache,target=/x,ro").unwrap().read_only);
        assert!(!read("TYPE=Tmpfs,dst=/x,readonly=false").unwrap().read_only);
    }

    #[test]
    fn fields_are_typed() {
        let mount =
            read("type=cache,id=a,sharing=Locked,mode=0700,uid=1,gid=2,from=b,src=/c,dst=/d")
                .unwrap();
        assert_eq!(mount.sharing, Some(Sharing::Locked));
        assert_eq!(
            (mount.mode, mount.uid, mount.gid),
            (Some(0o700), Some(1), Some(2))
        );
        assert_eq!(
            read("type=tmpfs,target=/x,size=1.5k").unwrap().size,
            Some(1536)
        );
        assert!(read("type=secret,id=a,required").unwrap().required);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for text in [
            "type=nope",
            "type=bind,mode=0700",
            "size=1m",
            "size=1m,type=tmpfs",
            "type=tmpfs,size=many",
            "type=secret",
            "type=secret,id=a,from=b",
            "type=secret,id=a,source=b",
            "type=secret,id=a,env=",
            "type=ssh,source=x",
            "sharing=shared",
            "type=cache,sharing=x",
            "type=cache,mode=9",
            "required,type=ssh",
            "target",
            "tagret=/x",
            "ro=perhaps",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        assert_eq!(
            read("tagret=/x").unwrap_err().help.as_deref(),
            Some("did you mean `target`?")
        );
    }
}
