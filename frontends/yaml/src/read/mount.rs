//! Mounts.

use std::collections::BTreeMap;

use stromatekt_dockerfile::paths;
use stromatekt_graph::run::Sharing;
use stromatekt_pipeline::{Fields, Item, Problem};

use super::files::content;
use super::{Reading, boolean, finish, number, text};
use crate::language::MOUNT;
use crate::spec::{Access, MountKind, MountSpec, Use};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Type {
    Bind,
    Cache,
    Tmpfs,
    Secret,
    Ssh,
    File,
}

const TYPES: [(&str, Type); 6] = [
    ("bind", Type::Bind),
    ("cache", Type::Cache),
    ("tmpfs", Type::Tmpfs),
    ("secret", Type::Secret),
    ("ssh", Type::Ssh),
    ("file", Type::File),
];

const SHARINGS: [(&str, Sharing); 3] = [
    ("shared", Sharing::Shared),
    ("private", Sharing::Private),
    ("locked", Sharing::Locked),
];

/// Which fields belong to which types; those that are not here belong to all.
const BELONGS: [(&str, &[Type]); 12] = [
    ("from", &[Type::Bind, Type::Cache]),
    ("path", &[Type::Bind, Type::Cache]),
    ("id", &[Type::Cache, Type::Secret, Type::Ssh]),
    ("sharing", &[Type::Cache]),
    ("size", &[Type::Tmpfs]),
    ("env", &[Type::Secret]),
    ("required", &[Type::Secret, Type::Ssh]),
    ("content", &[Type::File]),
    ("base64", &[Type::File]),
    ("mode", &[Type::Cache, Type::Secret, Type::Ssh, Type::File]),
    ("uid", &[Type::Cache, Type::Secret, Type::Ssh]),
    ("gid", &[Type::Cache, Type::Secret, Type::Ssh]),
];

/// Reads a mount.
pub fn mount(item: &Item<'_>, reading: &Reading<'_>) -> Result<MountSpec, Problem> {
    let mut fields = item.fields(MOUNT.what)?;
    let kind = match fields.take("type") {
        Some(item) => item.word("type of a mount", &TYPES)?,
        None => Type::Bind,
    };
    let target = fields.take("target");
    let target = target.map(|item| item.non_empty_text()).transpose()?;
    let read_only =
        boolean(fields.take("read-only"))?.unwrap_or(!matches!(kind, Type::Cache | Type::Tmpfs));
    check(&mut fields, kind)?;
    let needs_target = matches!(kind, Type::Bind | Type::Cache | Type::Tmpfs | Type::File);
    if needs_target && target.is_none() {
        return Err(fields
            .required("target")
            .err()
            .unwrap_or_else(|| item.problem("a mount needs a `target`")));
    }
    let kind = match kind {
        Type::Bind => MountKind::Bind {
            from: from(&mut fields, reading)?,
            path: path(&mut fields)?.unwrap_or_else(|| "/".to_owned()),
        },
        Type::Cache => cache(&mut fields, reading)?,
        Type::Tmpfs => MountKind::Tmpfs(number(fields.take("size"))?.filter(|size| *size > 0)),
        Type::Secret => {
            let id = match (text(fields.take("id"))?, &target) {
                (Some(id), _) => id,
                (None, Some(target)) => paths::base(target).to_owned(),
                (None, None) => return Err(fields.problem("a secret needs an `id` or a `target`")),
            };
            MountKind::Secret {
                id,
                env: text(fields.take("env"))?,
                required: boolean(fields.take("required"))?.unwrap_or(false),
                access: access(&mut fields, 0o400)?,
            }
        }
        Type::Ssh => MountKind::Ssh {
            id: text(fields.take("id"))?.unwrap_or_else(|| "default".to_owned()),
            required: boolean(fields.take("required"))?.unwrap_or(false),
            access: access(&mut fields, 0o600)?,
        },
        Type::File => MountKind::File(
            content(&mut fields)?,
            octal(fields.take("mode"))?.unwrap_or(0o644),
        ),
    };
    finish(fields, &MOUNT)?;
    Ok(MountSpec {
        target,
        kind,
        read_only,
        place: item.place(),
    })
}

/// Refuses fields that belong to mounts of another type.
fn check(fields: &mut Fields<'_>, kind: Type) -> Result<(), Problem> {
    for (name, types) in BELONGS {
        if let Some(item) = fields.take(name).filter(|_| !types.contains(&kind)) {
            let names: BTreeMap<&str, ()> = TYPES
                .iter()
                .filter(|(_, known)| types.contains(known))
                .map(|(name, _)| (*name, ()))
                .collect();
            let names: Vec<&str> = names.into_keys().collect();
            return Err(item
                .problem(format!(
                    "`{name}` belongs to mounts of type {}",
                    names.join(", ")
                ))
                .help("leave it out, or give the mount another `type`"));
        }
    }
    Ok(())
}

fn cache(fields: &mut Fields<'_>, reading: &Reading<'_>) -> Result<MountKind, Problem> {
    let source = from(fields, reading)?;
    let path = fields.take("path");
    let from = match (source, path) {
        (Some(unit), path) => {
            let path = text(path)?.unwrap_or_else(|| "/".to_owned());
            Some((unit, paths::join("/", &path)))
        }
        (None, None) => None,
        (None, Some(path)) => {
            return Err(path
                .problem("`path` of a cache is a path of its `from`, which is missing")
                .help("add `from`, or leave `path` out"));
        }
    };
    Ok(MountKind::Cache {
        id: text(fields.take("id"))?,
        sharing: match fields.take("sharing") {
            Some(item) => item.word("way to share a cache", &SHARINGS)?,
            None => Sharing::default(),
        },
        from,
        access: access(fields, 0o755)?,
    })
}

fn from(fields: &mut Fields<'_>, reading: &Reading<'_>) -> Result<Option<Use>, Problem> {
    fields
        .take("from")
        .map(|item| reading.unit(&item))
        .transpose()
}

fn path(fields: &mut Fields<'_>) -> Result<Option<String>, Problem> {
    Ok(text(fields.take("path"))?.map(|path| paths::join("/", &path)))
}

fn access(fields: &mut Fields<'_>, mode: u32) -> Result<Access, Problem> {
    Ok(Access {
        mode: octal(fields.take("mode"))?.unwrap_or(mode),
        uid: number(fields.take("uid"))?.unwrap_or(0),
        gid: number(fields.take("gid"))?.unwrap_or(0),
    })
}

fn octal(item: Option<Item<'_>>) -> Result<Option<u32>, Problem> {
    let Some(item) = item else {
        return Ok(None);
    };
    let text = item.text()?;
    let digits = text.strip_prefix("0o").unwrap_or(&text);
    let is_octal = digits.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
    match u32::from_str_radix(digits, 8) {
        Ok(mode) if is_octal && mode <= 0o7777 => Ok(Some(mode)),
        _ => Err(item
            .problem(format!("`{text}` is no mode"))
            .help("write it in octal digits: 0755")),
    }
}
