//! Replays a send stream on names alone: which paths of two trees have to be compared to know what changed.
//!
//! The stream speaks of paths as they are at each command: new entries come up under temporary names in the root directory, moved
//! directories take theirs with them. The replay keeps that name space, but only where it differs from the earlier tree's: a node that
//! the stream named knows which path of the earlier tree it came from, and all below it that the stream did not name came along.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use stromatekt_kernel::send_stream::Command;

/// What the stream tells of a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hint {
    /// The content of the file at it may have changed; of a directory, that of all files below it.
    pub content: bool,
    /// Another entry stands at it than before: what is below it is to be compared as well.
    pub moved: bool,
}

/// The paths at which two trees may differ, in the order of paths; no other path does.
pub(crate) type Hints = BTreeMap<PathBuf, Hint>;

/// The name space during the replay.
#[derive(Debug)]
pub(crate) struct Replay {
    nodes: Vec<Node>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct NodeId(usize);

#[derive(Debug)]
struct Node {
    /// Where it was in the earlier tree; nothing if it is new.
    origin: Option<PathBuf>,
    /// Whether the stream changed the entry itself.
    touched: bool,
    /// Whether the stream changed the content of the file.
    content: bool,
    /// The entries that the stream named, with nothing for those that are gone. Others are as they were at `origin`.
    children: BTreeMap<OsString, Option<NodeId>>,
}

const ROOT: NodeId = NodeId(0);

impl Replay {
    /// The name space of the earlier tree.
    pub(crate) fn new() -> Self {
        let root = Node {
            origin: Some(PathBuf::new()),
            touched: false,
            content: false,
            children: BTreeMap::new(),
        };
        Self { nodes: vec![root] }
    }

    /// Does what a command tells. An error says what the command names that cannot be there.
    pub(crate) fn apply(&mut self, command: Command) -> Result<(), String> {
        match command {
            Command::MakeDirectory { path } => self.make(&path, false),
            Command::Make { path } => self.make(&path, true),
            Command::Rename { from, to } => {
                let id = self.find(&from)?;
                self.bind(&from, None)?;
                self.bind(&to, Some(id))
            }
            Command::Link { existing, path } => {
                // From now on the two are one file with a node for each of its names: what changes through one name shows when
                // the trees are compared.
                let existing = self.find(&existing)?;
                let Node {
                    origin, content, ..
                } = &self.nodes[existing.0];
                let node = Node {
                    origin: origin.clone(),
                    touched: true,
                    content: *content,
                    children: BTreeMap::new(),
                };
                let id = self.add(node);
                self.bind(&path, Some(id))
            }
            Command::Remove { path } => self.bind(&path, None),
            Command::Data { path } => {
                let id = self.find(&path)?;
                self.nodes[id.0].touched = true;
                self.nodes[id.0].content = true;
                Ok(())
            }
            Command::Metadata { path } => {
                let id = self.find(&path)?;
                self.nodes[id.0].touched = true;
                Ok(())
            }
        }
    }

    /// The paths to compare: those of the later tree that the stream changed or moved, and those of the earlier one whose entry
    /// is gone from there.
    pub(crate) fn finish(self) -> Hints {
        let mut hints = Hints::new();
        let mut waiting = vec![(PathBuf::new(), ROOT)];
        while let Some((path, id)) = waiting.pop() {
            let node = &self.nodes[id.0];
            let moved = node.origin.as_deref() != Some(&path);
            for (name, child) in &node.children {
                let path = path.join(name);
                match child {
                    Some(child) => waiting.push((path, *child)),
                    None => {
                        hints.insert(path, Hint::default());
                    }
                }
            }
            if moved || node.touched {
                let content = node.content;
                hints.insert(path, Hint { content, moved });
            }
        }
        hints
    }

    fn make(&mut self, path: &Path, content: bool) -> Result<(), String> {
        let node = Node {
            origin: None,
            touched: true,
            content,
            children: BTreeMap::new(),
        };
        let id = self.add(node);
        self.bind(path, Some(id))
    }

    fn add(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        NodeId(self.nodes.len() - 1)
    }

    /// Puts a node, or nothing, at a path.
    fn bind(&mut self, path: &Path, id: Option<NodeId>) -> Result<(), String> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err("it replaces the root directory".to_owned());
        };
        let parent = self.find(parent)?;
        self.nodes[parent.0].children.insert(name.to_owned(), id);
        Ok(())
    }

    fn find(&mut self, path: &Path) -> Result<NodeId, String> {
        let mut at = ROOT;
        for name in path {
            at = self
                .child(at, name)
                .ok_or_else(|| format!("it names `{}`, which is not there", path.display()))?;
        }
        Ok(at)
    }

    fn child(&mut self, parent: NodeId, name: &OsStr) -> Option<NodeId> {
        let node = &self.nodes[parent.0];
        if let Some(known) = node.children.get(name) {
            return *known;
        }
        let child = Node {
            origin: Some(node.origin.as_ref()?.join(name)),
            touched: false,
            content: false,
            children: BTreeMap::new(),
        };
        let id = self.add(child);
        self.nodes[parent.0]
            .children
            .insert(name.to_owned(), Some(id));
        Some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replay(commands: impl IntoIterator<Item = Command>) -> Hints {
        let mut replay = Replay::new();
        for command in commands {
            replay.apply(command).unwrap();
        }
        replay.finish()
    }

    fn rename(from: &str, to: &str) -> Command {
        Command::Rename {
            from: from.into(),
            to: to.into(),
        }
    }

    fn paths(hints: &Hints) -> Vec<&str> {
        hints.keys().map(|path| path.to_str().unwrap()).collect()
    }

    const COMPARE: Hint = Hint {
        content: false,
        moved: false,
    };

    #[test]
    fn a_new_file_is_told_at_its_last_path_and_not_at_its_temporary_one() {
        let hints = replay([
            Command::Make {
                path: "o257-7-0".into(),
            },
            rename("o257-7-0", "a/b"),
            Command::Data { path: "a/b".into() },
        ]);
        let new = Hint {
            content: true,
            moved: true,
        };
        // The temporary name is compared too: nothing is there in either tree.
        assert_eq!(paths(&hints), ["a/b", "o257-7-0"]);
        assert_eq!(hints[Path::new("a/b")], new);
        assert_eq!(hints[Path::new("o257-7-0")], COMPARE);
    }

    #[test]
    fn what_changes_below_a_moved_directory_is_told_at_its_last_path() {
        let hints = replay([
            rename("a", "o260-8-0"),
            Command::Metadata {
                path: "o260-8-0/x/y".into(),
            },
            rename("o260-8-0", "b/c"),
        ]);
        assert_eq!(paths(&hints), ["a", "b/c", "b/c/x", "b/c/x/y", "o260-8-0"]);
        assert!(hints[Path::new("b/c")].moved);
        assert_eq!(hints[Path::new("a")], COMPARE);
    }

    #[test]
    fn a_directory_that_comes_back_is_not_moved() {
        let hints = replay([
            rename("a", "o260-8-0"),
            Command::Remove {
                path: "o260-8-0/x".into(),
            },
            rename("o260-8-0", "a"),
        ]);
        assert_eq!(paths(&hints), ["a/x", "o260-8-0"]);
    }

    #[test]
    fn a_command_about_an_entry_that_was_removed_is_an_error() {
        let mut replay = Replay::new();
        replay.apply(Command::Remove { path: "a".into() }).unwrap();
        let command = Command::Metadata { path: "a/b".into() };
        assert!(replay.apply(command).is_err());
    }
}
