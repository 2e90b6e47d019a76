//! What is mounted over the tree of a process: a mount of the runtime-spec, of types that a build has.

use stromatekt_graph::path;
use stromatekt_graph::run::Sharing;
use stromatekt_pipeline::{Fields, Item, Problem};

use crate::model::{Access, MountEntry, MountKind, Name};
use crate::read::{absolute, flag, name, no_zero, optional_string};
use crate::read_files::content;

type Reader = fn(&mut Fields<'_>) -> Result<MountKind, Problem>;

/// The types of mounts.
const TYPES: [(&str, Reader); 6] = [
    ("bind", bind),
    ("tmpfs", tmpfs),
    ("cache", cache),
    ("secret", secret),
    ("ssh", ssh),
    ("inline", inline),
];

/// A mount.
pub fn mount(item: &Item<'_>) -> Result<MountEntry, Problem> {
    let mut fields = item.fields("a mount")?;
    let mount_type = fields.required("type")?;
    let read = mount_type.word("type of mount", &TYPES)?;
    let mut fields = item.fields(&format!("a mount of type `{}`", mount_type.string()?))?;
    fields.take("type");
    let target = fields.required("destination")?;
    let destination = path::clean(&absolute(&target)?);
    if destination == "/" {
        return Err(target.problem("nothing can be mounted over the root directory"));
    }
    let read_only = match fields.take("options") {
        Some(item) => options(&item)?,
        None => false,
    };
    let kind = read(&mut fields)?;
    fields.finish()?;
    Ok(MountEntry {
        place: item.place(),
        destination,
        kind,
        read_only,
    })
}

/// Whether the options say that the mount is read-only.
fn options(item: &Item<'_>) -> Result<bool, Problem> {
    let mut read_only = None;
    for option in item.list()? {
        let value = option.word("option of a mount here", &[("ro", true), ("rw", false)])?;
        if read_only.replace(value).is_some() {
            return Err(option.problem("a mount is `ro` or `rw`, once"));
        }
    }
    Ok(read_only.unwrap_or(false))
}

fn bind(fields: &mut Fields<'_>) -> Result<MountKind, Problem> {
    let from = fields.take("from").map(|item| name(&item)).transpose()?;
    let source = match fields.take("source") {
        Some(item) => Name {
            text: inside(&item)?,
            place: item.place(),
        },
        None => Name {
            text: "/".to_owned(),
            place: fields.item().place(),
        },
    };
    Ok(MountKind::Bind { from, source })
}

/// A path in another tree, absolute there.
fn inside(item: &Item<'_>) -> Result<String, Problem> {
    let path = no_zero(item, item.non_empty()?)?;
    Ok(path::clean(&format!("/{path}")))
}

fn tmpfs(fields: &mut Fields<'_>) -> Result<MountKind, Problem> {
    let size = match fields.take("size") {
        // The kernel would take it for no limit.
        Some(item) if item.u64()? == 0 => {
            return Err(item
                .problem("a file system of no bytes has room for nothing")
                .help("leave `size` out for no limit"));
        }
        Some(item) => Some(item.u64()?),
        None => None,
    };
    Ok(MountKind::Tmpfs { size })
}

fn cache(fields: &mut Fields<'_>) -> Result<MountKind, Problem> {
    let id = fields.required("id")?.non_empty()?.to_owned();
    let words = [
        ("shared", Sharing::Shared),
        ("private", Sharing::Private),
        ("locked", Sharing::Locked),
    ];
    let sharing = match fields.take("sharing") {
        Some(item) => item.word("way to share", &words)?,
        None => Sharing::default(),
    };
    let source = fields.take("source");
    let from = match (fields.take("from"), source) {
        (Some(from), source) => {
            let path = source.map_or(Ok("/".to_owned()), |item| inside(&item))?;
            Some((name(&from)?, path))
        }
        (None, Some(source)) => {
            return Err(source
                .problem("a new cache starts from a path of something")
                .help("say of what: `from`"));
        }
        (None, None) => None,
    };
    Ok(MountKind::Cache {
        id,
        sharing,
        from,
        access: access(fields, 0o755)?,
    })
}

fn secret(fields: &mut Fields<'_>) -> Result<MountKind, Problem> {
    let env = match fields.take("env") {
        Some(item) if item.non_empty()?.contains(['=', '\0']) => {
            return Err(item.problem("the name of a variable has no `=` and no character 0"));
        }
        Some(item) => Some(item.non_empty()?.to_owned()),
        None => None,
    };
    let file = match fields.take("file") {
        Some(item) if !item.boolean()? && env.is_none() => {
            return Err(item
                .problem("the secret is neither a file nor a variable")
                .help("say in which variable it is wanted: `env`"));
        }
        Some(item) => item.boolean()?,
        None => true,
    };
    Ok(MountKind::Secret {
        id: fields.required("id")?.non_empty()?.to_owned(),
        env,
        file,
        required: flag(fields, "required")?,
        access: access(fields, 0o400)?,
    })
}

fn ssh(fields: &mut Fields<'_>) -> Result<MountKind, Problem> {
    Ok(MountKind::Ssh {
        id: optional_string(fields, "id")?.unwrap_or_else(|| "default".to_owned()),
        required: flag(fields, "required")?,
        access: access(fields, 0o600)?,
    })
}

fn inline(fields: &mut Fields<'_>) -> Result<MountKind, Problem> {
    Ok(MountKind::Inline {
        content: content(fields)?,
        mode: mode(fields, 0o444)?,
    })
}

fn access(fields: &mut Fields<'_>, default: u32) -> Result<Access, Problem> {
    let mut id = |name| match fields.take(name) {
        Some(item) => u32::try_from(item.u64()?)
            .map_err(|_| item.problem(format!("this is too big for a {name}"))),
        None => Ok(0),
    };
    let (uid, gid) = (id("uid")?, id("gid")?);
    Ok(Access {
        mode: mode(fields, default)?,
        uid,
        gid,
    })
}

/// A mode in octal digits.
fn mode(fields: &mut Fields<'_>, default: u32) -> Result<u32, Problem> {
    let Some(item) = fields.take("mode") else {
        return Ok(default);
    };
    let text = item.string()?;
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o7777 && !text.starts_with('+') => Ok(mode),
        _ => Err(item
            .problem(format!("`{text}` is no mode in octal digits"))
            .help("write \"0644\"")),
    }
}
