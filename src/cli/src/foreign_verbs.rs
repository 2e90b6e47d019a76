//! Verbs that docker and buildx have and stromatekt has not: each is refused with what to do instead.

use std::ffi::OsString;

use crate::error::Error;

/// A verb of docker's.
pub struct ForeignVerb {
    /// What stands before it, one of these: nothing, or `image`.
    pub groups: &'static [&'static str],
    /// The verbs.
    pub names: &'static [&'static str],
    /// What to do instead.
    pub hint: &'static str,
}

const RUN: &str = "hand the image over to docker, and use that for containers: `stromatekt save IMAGE | docker load` (`command docker`, where docker is an alias of this)";
const NO_DAEMON: &str =
    "there is no daemon and no builder to make, choose or look after: leave it out";
const DOCKER: &str = "use docker itself for it";

const fn verbs(
    groups: &'static [&'static str],
    names: &'static [&'static str],
    hint: &'static str,
) -> ForeignVerb {
    ForeignVerb {
        groups,
        names,
        hint,
    }
}

const TOP: &[&str] = &[""];
/// In newer dockers, `builder` is another name of buildx.
const BUILDX: &[&str] = &["buildx", "builder"];

/// All of them.
pub const FOREIGN_VERBS: &[ForeignVerb] = &[
    verbs(
        TOP,
        &[
            "run",
            "exec",
            "ps",
            "attach",
            "container",
            "cp",
            "create",
            "diff",
            "export",
            "kill",
            "logs",
            "pause",
            "port",
            "rename",
            "restart",
            "rm",
            "start",
            "stats",
            "stop",
            "top",
            "unpause",
            "update",
            "wait",
        ],
        RUN,
    ),
    verbs(
        TOP,
        &["commit"],
        "write down in a Dockerfile what was done in the container, and build that",
    ),
    verbs(
        TOP,
        &["compose"],
        "build the images of its services one by one; containers are docker's: `stromatekt save IMAGE | docker load`",
    ),
    verbs(TOP, &["bake"], "build its targets one by one"),
    verbs(TOP, &["context", "events"], NO_DAEMON),
    verbs(
        TOP,
        &["import"],
        "`image load FILE --name NAME` takes a root filesystem",
    ),
    verbs(
        TOP,
        &["manifest"],
        "build for several platforms at once: --platform linux/amd64,linux/arm64",
    ),
    verbs(TOP, &["search"], "look on the registry's pages"),
    verbs(
        TOP,
        &["trust"],
        "signatures are not checked: name images by their digest",
    ),
    verbs(
        TOP,
        &[
            "network",
            "volume",
            "plugin",
            "swarm",
            "node",
            "service",
            "stack",
            "secret",
            "config",
            "checkpoint",
        ],
        DOCKER,
    ),
    verbs(
        &["image"],
        &["import"],
        "`image load FILE --name NAME` takes a root filesystem",
    ),
    verbs(BUILDX, &["bake"], "build its targets one by one"),
    verbs(
        BUILDX,
        &[
            "create",
            "dial-stdio",
            "inspect",
            "install",
            "ls",
            "rm",
            "stop",
            "uninstall",
            "use",
        ],
        NO_DAEMON,
    ),
    verbs(
        BUILDX,
        &["du"],
        "`du -sh` of the state directory tells how large it is",
    ),
    verbs(
        BUILDX,
        &["history"],
        "a build tells what it does while it does it: --progress plain",
    ),
    verbs(
        BUILDX,
        &["imagetools"],
        "build for several platforms at once, which makes an index: --platform linux/amd64,linux/arm64",
    ),
    verbs(
        &["system"],
        &["df"],
        "`du -sh` of the state directory tells how large it is",
    ),
    verbs(&["system"], &["events", "dial-stdio"], NO_DAEMON),
];

/// The error for a verb that stromatekt has not; `group` is what stands before it.
pub fn refuse(group: &'static str, typed: &[OsString]) -> Error {
    let name = typed.first().cloned().unwrap_or_default();
    let name = name.to_string_lossy();
    let verb = match group {
        "" => name.to_string(),
        group => format!("{group} {name}"),
    };
    let known = FOREIGN_VERBS
        .iter()
        .find(|known| known.groups.contains(&group) && known.names.contains(&name.as_ref()));
    match known {
        Some(known) => Error::ForeignVerb {
            verb,
            hint: known.hint,
        },
        None => Error::NoVerb { verb },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dockers_verbs_are_told_from_those_that_nobody_has() {
        let refused = |group, name: &str| refuse(group, &[name.into(), "x".into()]);
        assert!(matches!(refused("", "run"), Error::ForeignVerb { .. }));
        assert!(matches!(
            refused("buildx", "create"),
            Error::ForeignVerb { .. }
        ));
        assert!(matches!(refused("", "rum"), Error::NoVerb { .. }));
        assert!(matches!(refused("image", "run"), Error::NoVerb { .. }));
    }
}
