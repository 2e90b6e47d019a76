//! Comparing root filesystems, path by path.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use crate::compare::Found;
use crate::comparison::{Difference, Kind};
use crate::image::Image;
use crate::noise::Class;
use crate::rules::{Builder, Rules};
use crate::text::{bytes, described, difference, mode, printable, shown, time};
use crate::tree::{Node, NodeKind, RootFilesystem};

/// Compares; tells at which places the root filesystems differ.
pub(crate) fn compare(left: &Image, right: &Image, found: &mut Found<'_>) -> BTreeSet<String> {
    let mut places = BTreeSet::new();
    let links = (
        Links::of(&left.root, &right.root),
        Links::of(&right.root, &left.root),
    );
    let mut add = |(class, difference): (Option<Class>, Difference), found: &mut Found<'_>| {
        places.insert(difference.place.clone());
        found.add_as(class, difference);
    };
    // The classic builder's containers have volumes, whose mount points stay in the image.
    let mut volumes: BTreeSet<&str> = BTreeSet::new();
    if found.rules.left == Builder::Classic {
        for image in [left, right] {
            volumes.extend(image.config.config.volumes.iter().map(String::as_str));
        }
    }
    for (path, pair) in Merged::of(&left.root, &right.root) {
        let name = shown(path);
        match pair {
            (Some(left), Some(right)) => {
                for entry in nodes(&name, left, right, found.rules) {
                    add(entry, found);
                }
                if let Some(difference) = hard_links(path, &name, &links) {
                    add((None, difference), found);
                }
            }
            (left, right) => {
                if let Some((class, difference)) = alone(&name, left, right, found.rules) {
                    let is_volume = volumes.contains(name.as_str())
                        && left.or(right).is_some_and(Node::is_directory);
                    let class = if is_volume { Some(Class::Stubs) } else { class };
                    add((class, difference), found);
                }
            }
        }
    }
    places
}

/// A path that one side has.
fn alone(
    name: &str,
    left: Option<&Node>,
    right: Option<&Node>,
    rules: &Rules,
) -> Option<(Option<Class>, Difference)> {
    let node = left.or(right)?;
    let kind = match left.is_some() {
        true => Kind::Missing,
        false => Kind::Added,
    };
    let is_stub = rules.left != Builder::BuildKit && Class::is_stub(name) && is_empty(node);
    let class = match is_stub {
        true => Some(Class::Stubs),
        false => Class::of_path(name, kind),
    };
    let difference = Difference::new(name, kind)
        .at(name)
        .sides(left.map(described), right.map(described));
    Some((class, difference))
}

fn is_empty(node: &Node) -> bool {
    match &node.kind {
        NodeKind::File(content) => content.size == 0,
        _ => true,
    }
}

/// In what two files of one name differ.
pub(crate) fn nodes(
    name: &str,
    left: &Node,
    right: &Node,
    rules: &Rules,
) -> Vec<(Option<Class>, Difference)> {
    let mut differences = Vec::new();
    let mut add = |class: Option<Class>, what: &str, kind: Kind, left: String, right: String| {
        let difference = Difference::new(format!("{name} {what}"), kind)
            .at(name)
            .sides(Some(left), Some(right));
        differences.push((class, difference));
    };
    match (&left.kind, &right.kind) {
        (NodeKind::File(_), NodeKind::File(_))
        | (NodeKind::Directory, NodeKind::Directory)
        | (NodeKind::Fifo, NodeKind::Fifo) => {}
        (NodeKind::Symlink(one), NodeKind::Symlink(other)) => {
            if one != other {
                let target = |target: &std::ffi::OsString| printable(target.as_encoded_bytes());
                add(None, "link", Kind::Link, target(one), target(other));
            }
        }
        (NodeKind::CharDevice(a, b), NodeKind::CharDevice(c, d))
        | (NodeKind::BlockDevice(a, b), NodeKind::BlockDevice(c, d)) => {
            if (a, b) != (c, d) {
                let numbers = |major: &u32, minor: &u32| format!("{major}:{minor}");
                add(None, "device", Kind::Device, numbers(a, b), numbers(c, d));
            }
        }
        _ => {
            add(None, "type", Kind::Type, described(left), described(right));
            return differences;
        }
    }
    // The mode of a symbolic link has no meaning, and archives have whatever their writer chose.
    if left.mode != right.mode && !matches!(left.kind, NodeKind::Symlink(_)) {
        add(None, "mode", Kind::Mode, mode(left.mode), mode(right.mode));
    }
    if (left.uid, left.gid) != (right.uid, right.gid) {
        let owner = |node: &Node| format!("{}:{}", node.uid, node.gid);
        add(None, "owner", Kind::Owner, owner(left), owner(right));
    }
    if left.mtime != right.mtime {
        let class = class_of_time(left, right, rules);
        add(
            class,
            "time",
            Kind::Time,
            time(left.mtime),
            time(right.mtime),
        );
    }
    let names: BTreeSet<_> = left.xattrs.keys().chain(right.xattrs.keys()).collect();
    for xattr in names {
        let (one, other) = (left.xattrs.get(xattr), right.xattrs.get(xattr));
        if one != other {
            let value = |value: Option<&Vec<u8>>| value.map(|value| printable(value));
            let xattr = printable(xattr.as_encoded_bytes());
            let difference = Difference::new(format!("{name} xattr {xattr}"), Kind::Xattr)
                .at(name)
                .sides(value(one), value(other));
            differences.push((None, difference));
        }
    }
    if let (NodeKind::File(one), NodeKind::File(other)) = (&left.kind, &right.kind)
        && one.digest != other.digest
    {
        let side = |content: &crate::tree::Content| {
            Some(format!("{}, {}", bytes(content.size), content.digest))
        };
        let text = one.text.as_ref().zip(other.text.as_ref());
        let difference = Difference::new(format!("{name} content"), Kind::Content)
            .at(name)
            .sides(side(one), side(other))
            .with_text(text.and_then(|(one, other)| difference(one, other)));
        differences.push((Class::of_path(name, Kind::Content), difference));
    }
    differences
}

fn class_of_time(left: &Node, right: &Node, rules: &Rules) -> Option<Class> {
    let (one, other) = (left.mtime, right.mtime);
    if one.seconds == other.seconds {
        return Some(Class::Fractions);
    }
    let since = [one, other].map(|time| rules.is_since_start(time.seconds));
    if left.is_directory() {
        // One builder may leave a directory as old as it was where another writes it anew with what is in it.
        return since.contains(&true).then_some(Class::DirectoryTimes);
    }
    (since == [true, true]).then_some(Class::Times)
}

/// The names of files that have several.
struct Links<'a> {
    groups: HashMap<&'a Path, Vec<&'a Path>>,
}

impl<'a> Links<'a> {
    /// Of a root filesystem, as far as the other one has the names too: what is missing is told as such.
    fn of(root: &'a RootFilesystem, other: &RootFilesystem) -> Self {
        let mut names: HashMap<usize, Vec<&Path>> = HashMap::new();
        for (path, node, inode) in root.iter() {
            if !node.is_directory() && other.get(path).is_some() {
                names.entry(inode).or_default().push(path);
            }
        }
        let several = names.into_values().filter(|names| names.len() > 1);
        let groups = several.flat_map(|names| {
            names
                .clone()
                .into_iter()
                .map(move |path| (path, names.clone()))
        });
        Self {
            groups: groups.collect(),
        }
    }

    fn get(&self, path: &Path) -> Option<&Vec<&'a Path>> {
        self.groups.get(path)
    }
}

/// That a file has other names, told at the first of them.
fn hard_links(path: &Path, name: &str, links: &(Links<'_>, Links<'_>)) -> Option<Difference> {
    let (left, right) = (links.0.get(path), links.1.get(path));
    if left == right || left.or(right)?.first() != Some(&path) {
        return None;
    }
    let side = |group: Option<&Vec<&Path>>| {
        let names: Vec<String> = group?.iter().map(|path| shown(path)).collect();
        Some(names.join(" = "))
    };
    let difference = Difference::new(format!("{name} hard links"), Kind::HardLinks)
        .at(name)
        .sides(side(left), side(right));
    Some(difference)
}

/// The paths of two root filesystems, in order, with what each has there.
struct Merged<'a> {
    left: Side<'a>,
    right: Side<'a>,
}

type Side<'a> = std::iter::Peekable<Box<dyn Iterator<Item = (&'a Path, &'a Node)> + 'a>>;

impl<'a> Merged<'a> {
    fn of(left: &'a RootFilesystem, right: &'a RootFilesystem) -> Self {
        let side = |root: &'a RootFilesystem| -> Side<'a> {
            let nodes = root.iter().map(|(path, node, _)| (path, node));
            let nodes: Box<dyn Iterator<Item = _>> = Box::new(nodes);
            nodes.peekable()
        };
        Self {
            left: side(left),
            right: side(right),
        }
    }
}

impl<'a> Iterator for Merged<'a> {
    type Item = (&'a Path, (Option<&'a Node>, Option<&'a Node>));

    fn next(&mut self) -> Option<Self::Item> {
        let paths = (
            self.left.peek().map(|(path, _)| *path),
            self.right.peek().map(|(path, _)| *path),
        );
        let path = match paths {
            (Some(left), Some(right)) => left.min(right),
            (left, right) => left.or(right)?,
        };
        let take = |side: &mut Side<'a>| {
            let entry = side.next_if(|(found, _)| *found == path)?;
            Some(entry.1)
        };
        let pair = (take(&mut self.left), take(&mut self.right));
        Some((path, pair))
    }
}
