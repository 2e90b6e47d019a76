//! What any two builds of the same may differ in, in classes: each with a name, a reason, and where it is found.

use serde::{Serialize, Serializer};

use crate::comparison::Kind;
use crate::pattern::matches;

/// A class of differences that are expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Class {
    /// Times of files.
    Times,
    /// Times of directories.
    DirectoryTimes,
    /// Fractions of seconds.
    Fractions,
    /// When images and their history were made.
    Created,
    /// Caches of the dynamic linker.
    LinkerCache,
    /// Compiled Python.
    Bytecode,
    /// Logs of package managers.
    PackageLogs,
    /// Package lists and caches.
    PackageLists,
    /// Earlier versions of debconf's databases.
    Debconf,
    /// Caches of fonts.
    FontCache,
    /// Random ids and keys.
    RandomIds,
    /// Other logs.
    Logs,
    /// Files and directories that containers need.
    Stubs,
    /// Directories that a layer mentions without need.
    LayerParents,
    /// Whiteouts of the same effect.
    Whiteouts,
    /// Layers with nothing in them.
    EmptyLayers,
    /// How blobs are stored.
    Storage,
    /// Spellings of the same in the history.
    HistorySpelling,
    /// What docker notes of the container that it built in.
    DaemonFields,
    /// What builders note of themselves.
    BuilderNotes,
}

/// What of a path is expected to differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aspect {
    /// The content and its length.
    Content,
    /// As well whether it is there.
    Presence,
}

/// Where the classes that are about files are found.
const PATHS: [(Class, Aspect, &[&str]); 8] = [
    (
        Class::LinkerCache,
        Aspect::Content,
        &["/etc/ld.so.cache", "/var/cache/ldconfig/aux-cache"],
    ),
    (
        Class::Bytecode,
        Aspect::Presence,
        &["**/*.pyc", "**/__pycache__", "**/__pycache__/**"],
    ),
    (
        Class::PackageLogs,
        Aspect::Content,
        &[
            "/var/log/apt/*",
            "/var/log/dpkg.log",
            "/var/log/alternatives.log",
            "/var/log/bootstrap.log",
            "/var/log/dnf*.log",
            "/var/log/hawkey.log",
            "/var/log/yum.log",
        ],
    ),
    (
        Class::PackageLists,
        Aspect::Presence,
        &[
            "/var/lib/apt/lists/**",
            "/var/cache/apt/**",
            "/var/cache/apk/**",
            "/var/cache/dnf/**",
        ],
    ),
    (
        Class::Debconf,
        Aspect::Content,
        &["/var/cache/debconf/*-old"],
    ),
    (
        Class::FontCache,
        Aspect::Presence,
        &["/var/cache/fontconfig/**", "**/.uuid"],
    ),
    (
        Class::RandomIds,
        Aspect::Content,
        &[
            "/etc/machine-id",
            "/var/lib/dbus/machine-id",
            "/var/lib/systemd/random-seed",
            "/etc/ssh/ssh_host_*_key",
            "/etc/ssh/ssh_host_*_key.pub",
            "/etc/ssl/certs/ssl-cert-snakeoil.pem",
            "/etc/ssl/private/ssl-cert-snakeoil.key",
        ],
    ),
    (
        Class::Logs,
        Aspect::Content,
        &[
            "/var/log/**",
            "/root/.npm/_logs/**",
            "/home/*/.npm/_logs/**",
        ],
    ),
];

/// What containers need, and the builder may have left there.
const STUBS: [&str; 11] = [
    "/proc",
    "/sys",
    "/dev",
    "/dev/console",
    "/dev/pts",
    "/dev/shm",
    "/run",
    "/etc/hosts",
    "/etc/hostname",
    "/etc/resolv.conf",
    "/etc/mtab",
];

impl Class {
    /// All classes.
    pub const ALL: [Self; 20] = [
        Self::Times,
        Self::DirectoryTimes,
        Self::Fractions,
        Self::Created,
        Self::LinkerCache,
        Self::Bytecode,
        Self::PackageLogs,
        Self::PackageLists,
        Self::Debconf,
        Self::FontCache,
        Self::RandomIds,
        Self::Logs,
        Self::Stubs,
        Self::LayerParents,
        Self::Whiteouts,
        Self::EmptyLayers,
        Self::Storage,
        Self::HistorySpelling,
        Self::DaemonFields,
        Self::BuilderNotes,
    ];

    /// Its name, as JSON has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.texts().0
    }

    /// Why it is expected.
    #[must_use]
    pub fn reason(self) -> &'static str {
        self.texts().1
    }

    /// The class of this name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }

    fn texts(self) -> (&'static str, &'static str) {
        match self {
            Self::Times => ("times", "files got their time during the builds"),
            Self::DirectoryTimes => (
                "directory-times",
                "directories have the time of the last change in them, which differs from builder to builder",
            ),
            Self::Fractions => (
                "fractions",
                "not every tar keeps fractions of seconds of times",
            ),
            Self::Created => ("created", "the images were not made at the same instant"),
            Self::LinkerCache => (
                "linker-cache",
                "ldconfig writes inode numbers and times of libraries into its caches",
            ),
            Self::Bytecode => (
                "bytecode",
                "compiled Python has the time of its source in it, and is written when a module is first used",
            ),
            Self::PackageLogs => (
                "package-logs",
                "package managers log when they did what, and in which terminal",
            ),
            Self::PackageLists => (
                "package-lists",
                "lists and caches of packages are as new as the moment they were fetched",
            ),
            Self::Debconf => (
                "debconf",
                "debconf keeps an earlier version of its databases, in no certain order",
            ),
            Self::FontCache => (
                "font-cache",
                "fontconfig names and fills its caches by times and random ids",
            ),
            Self::RandomIds => ("random-ids", "ids and keys are made at random"),
            Self::Logs => ("logs", "logs have times in them"),
            Self::Stubs => (
                "stubs",
                "builders leave mount points and empty files of their containers behind, or do not",
            ),
            Self::LayerParents => (
                "layer-parents",
                "a layer mentions what is as it was below: directories that lead to changes, for instance",
            ),
            Self::Whiteouts => (
                "whiteouts",
                "the same is removed from lower layers by other whiteouts",
            ),
            Self::EmptyLayers => (
                "empty-layers",
                "the classic builder makes no layer where nothing changed",
            ),
            Self::Storage => (
                "storage",
                "the same layer is compressed, or called, otherwise",
            ),
            Self::HistorySpelling => (
                "history-spelling",
                "versions of the builder write the same instruction otherwise",
            ),
            Self::DaemonFields => (
                "daemon-fields",
                "docker notes the container that it built in, and its own version",
            ),
            Self::BuilderNotes => ("builder-notes", "builders note themselves in images"),
        }
    }

    /// The class of a difference of a file, by its path; a time has classes of its own.
    pub(crate) fn of_path(path: &str, kind: Kind) -> Option<Self> {
        let wanted = match kind {
            Kind::Content => Aspect::Content,
            Kind::Added | Kind::Missing => Aspect::Presence,
            _ => return None,
        };
        let found = PATHS.iter().find(|(_, aspect, patterns)| {
            let suits = wanted == Aspect::Content || *aspect == Aspect::Presence;
            suits && patterns.iter().any(|pattern| matches(pattern, path))
        });
        found.map(|(class, ..)| *class)
    }

    /// Whether a path is one of those that containers need.
    pub(crate) fn is_stub(path: &str) -> bool {
        STUBS.contains(&path)
    }
}

impl Serialize for Class {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_the_class_of_their_first_pattern() {
        for (path, kind, class) in [
            ("/etc/ld.so.cache", Kind::Content, Some(Class::LinkerCache)),
            ("/etc/ld.so.cache", Kind::Missing, None),
            ("/etc/ld.so.cache", Kind::Mode, None),
            (
                "/var/log/apt/term.log",
                Kind::Content,
                Some(Class::PackageLogs),
            ),
            ("/var/log/lastlog", Kind::Content, Some(Class::Logs)),
            ("/var/log/lastlog", Kind::Added, None),
            (
                "/usr/lib/python3/__pycache__",
                Kind::Added,
                Some(Class::Bytecode),
            ),
            ("/a/b.pyc", Kind::Content, Some(Class::Bytecode)),
            ("/a/b.py", Kind::Content, None),
            (
                "/var/lib/apt/lists/x_Packages",
                Kind::Missing,
                Some(Class::PackageLists),
            ),
            (
                "/var/cache/debconf/config.dat-old",
                Kind::Content,
                Some(Class::Debconf),
            ),
            ("/var/cache/debconf/config.dat", Kind::Content, None),
            ("/etc/machine-id", Kind::Content, Some(Class::RandomIds)),
            (
                "/var/cache/fontconfig/a.cache-7",
                Kind::Added,
                Some(Class::FontCache),
            ),
            ("/etc/passwd", Kind::Content, None),
        ] {
            assert_eq!(Class::of_path(path, kind), class, "{path} {kind:?}");
        }
    }

    #[test]
    fn names_are_unique_and_lead_back() {
        for class in Class::ALL {
            assert_eq!(Class::by_name(class.name()), Some(class));
            assert!(!class.reason().is_empty());
        }
    }
}
