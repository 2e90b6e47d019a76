//! The language as tables: each object of a pipeline with its fields, what they mean and what they may be.
//!
//! The JSON Schema and the reference are made of them, and the reader must know exactly these fields.

/// A map with a fixed set of fields.
#[derive(Debug)]
pub struct Object {
    /// What has the fields, as errors say it: `a task`.
    pub what: &'static str,
    /// Its name in the schema.
    pub name: &'static str,
    /// The fields, in the order in which one would write them.
    pub fields: &'static [Field],
    /// Of each of these, one must be there.
    pub needs: &'static [&'static [&'static str]],
}

/// A field.
#[derive(Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What it may be.
    pub shape: Shape,
    /// What it means.
    pub says: &'static str,
}

/// What a value may be.
#[derive(Debug)]
pub enum Shape {
    /// A text; numbers and booleans count as written.
    Text,
    /// A text, or nothing.
    TextOrNothing,
    /// True or false, or a variable that is.
    Switch,
    /// A whole number, or a variable that is one.
    Number,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A digest.
    Digest,
    /// A list.
    List(&'static Shape),
    /// One, or a list of them.
    OneOrMore(&'static Shape),
    /// A map with the user's own names.
    Map(&'static Shape),
    /// Any of these.
    Either(&'static [Shape]),
    /// A map with fixed fields.
    Object(&'static Object),
}

use Shape::{Digest, Either, List, Map, Number, OneOrMore, Switch, Text, TextOrNothing, Word};

/// Tables of fields, a line each: `NAME: SHAPE => MEANING;`.
macro_rules! fields {
    ($($name:literal: $shape:expr => $says:literal;)*) => {
        &[$(Field { name: $name, shape: $shape, says: $says }),*]
    };
}

/// Names of both forms of `layers` of a task.
pub const ONE: &str = "one";
/// See [`ONE`].
pub const PER_STEP: &str = "per-step";

const TEXTS: Shape = OneOrMore(&Text);
const ENVIRONMENT: Shape = Either(&[Map(&TextOrNothing), List(&Text)]);

/// The top of a file.
pub static PIPELINE: Object = Object {
    what: "a pipeline",
    name: "pipeline",
    fields: fields! {
        "import": OneOrMore(&Either(&[Text, Shape::Object(&IMPORT)])) => "library files; what `tools.yaml` declares is called `tools.NAME` here";
        "variables": Map(&TextOrNothing) => "texts for `${NAME}` anywhere in the file; `--build-arg NAME=…` sets another one, and must set those that have none";
        "bases": Map(&Either(&[Text, Shape::Object(&BASE)])) => "images to build on, by the names that the rest of the file uses";
        "sources": Map(&Either(&[Text, Shape::Object(&SOURCE)])) => "further files: a directory beside this file, a git repository, a URL; `context` is the build context";
        "tasks": Map(&Shape::Object(&TASK)) => "what is done: each starts from something and changes it";
        "images": Map(&Shape::Object(&IMAGE)) => "what comes of it";
    },
    needs: &[],
};

/// An import with more than a file.
pub static IMPORT: Object = Object {
    what: "an import",
    name: "import",
    fields: fields! {
        "file": Text => "the library, relative to this file; what is relative in it is relative to it";
        "as": Text => "its name here; the file's name without the ending otherwise";
        "variables": Map(&Text) => "texts for variables of the library";
    },
    needs: &[&["file"]],
};

/// A base with more than a name.
pub static BASE: Object = Object {
    what: "a base",
    name: "base",
    fields: fields! {
        "image": Text => "the name of the image";
        "layout": Text => "instead of a name: an OCI layout (directory or tar) or docker archive, relative to this file";
        "tag": Text => "which image of the layout: a tag or a digest";
        "platform": Text => "always the image for this platform, or `host` for that of the builder; otherwise the one that is built for";
    },
    needs: &[&["image", "layout"]],
};

/// Files from elsewhere.
pub static SOURCE: Object = Object {
    what: "a source",
    name: "source",
    fields: fields! {
        "directory": Text => "a directory, relative to this file, without what its `.dockerignore` names";
        "git": Text => "the URL of a git repository";
        "ref": Text => "of the repository: a branch, tag or commit";
        "subdirectory": Text => "of the repository: take this directory of it alone";
        "keep-git-dir": Switch => "of the repository: keep `.git`";
        "submodules": Switch => "of the repository: `false` leaves its submodules out";
        "commit-time": Switch => "of the repository: files have the time of the commit";
        "by-commit": Switch => "of the repository: fetch the commit of `checksum` without asking for `ref`";
        "url": Text => "a file on a web server";
        "checksum": Text => "the digest of that file, or the commit of the repository";
    },
    needs: &[&["directory", "git", "url"]],
};

/// A task.
pub static TASK: Object = Object {
    what: "a task",
    name: "task",
    fields: fields! {
        "about": Text => "what it is for";
        "on": TEXTS => "what it starts from: a base, another task, `scratch`; or a list to be stacked: the first one whole, then what each other one changed";
        "ordered": Switch => "in a list, what comes later wins; otherwise it is an error if two change one path differently";
        "matrix": Map(&List(&Text)) => "one task for each combination of these variables: `app` with `{python: [\"3.11\", \"3.12\"]}` is `app[3.11]` and `app[3.12]`";
        "dockerfile": Text => "instead of steps: `FILE#STAGE`, a stage of a Dockerfile (without `#STAGE` the last one), relative to this file; its instructions are the layers";
        "args": Map(&Text) => "build args of the Dockerfile";
        "context": Text => "the build context of the Dockerfile: a source or task; that of the pipeline otherwise";
        "steps": List(&Shape::Object(&STEP)) => "what is done, in order, instead of the actions below";
        "directories": DIRECTORIES => "directories to make";
        "copy": COPIES => "files to copy, after `directories`";
        "files": FILES => "files to write, after `copy`";
        "describe": OneOrMore(&Shape::Object(&DESCRIBE)) => "descriptions of layers to write as JSON, after `files`";
        "run": COMMANDS => "what to run, at last: a text for the shell, a list of those that are run one after another, or `{args: […]}` without a shell";
        "with": Text => "run it with the programs of this base or task: they see what the task made so far, and only what they change stays";
        "env": ENVIRONMENT => "variables of what runs, besides those of the base's config; nothing takes one away. A list of `NAME=value` is all there is, but for `PATH` and `HOME`, which everything has";
        "workdir": Text => "where it runs and where relative paths start; that of the base's config otherwise";
        "user": Text => "who runs it: `name|uid[:group|gid]`; the user of the base's config otherwise";
        "shell": List(&Text) => "what runs texts; that of the base's config, or `[/bin/sh, -c]` otherwise";
        "mounts": List(&Shape::Object(&MOUNT)) => "what is mounted while it runs";
        "network": Word(&["default", "none", "host"]) => "its network";
        "security": Word(&["sandbox", "insecure"]) => "what it may do";
        "executor": Word(&["runc", "wasi"]) => "what runs it: a container, or a WebAssembly runtime whose module is the first argument";
        "hostname": Text => "its host name";
        "hosts": Map(&TEXTS) => "addresses of further hosts";
        "ulimits": Map(&Text) => "limits of setrlimit(2), as `SOFT:HARD` or one number for both, -1 for none: `{nofile: 1024}`";
        "cgroup-parent": Text => "the control group to run in";
        "no-cache": Switch => "do it each time anew";
        "layers": Word(&[ONE, PER_STEP]) => "whether the task is one layer of an image (the default) or each of its steps is";
        "expect": Either(&[Digest, Shape::Object(&EXPECT)]) => "what must come of it: the digest of the tree, or more";
    },
    needs: &[&["on", "dockerfile"]],
};

/// A step of a task.
pub static STEP: Object = Object {
    what: "a step",
    name: "step",
    fields: fields! {
        "directories": DIRECTORIES => "as of a task";
        "copy": COPIES => "as of a task";
        "files": FILES => "as of a task";
        "describe": OneOrMore(&Shape::Object(&DESCRIBE)) => "as of a task";
        "run": COMMANDS => "as of a task";
        "with": Text => "as of a task; that of the task otherwise";
        "env": ENVIRONMENT => "as of a task, over its own";
        "workdir": Text => "as of a task, relative to its own";
        "user": Text => "as of a task";
        "shell": List(&Text) => "as of a task";
        "mounts": List(&Shape::Object(&MOUNT)) => "as of a task, besides its own";
        "network": Word(&["default", "none", "host"]) => "as of a task";
        "security": Word(&["sandbox", "insecure"]) => "as of a task";
        "executor": Word(&["runc", "wasi"]) => "as of a task";
        "hostname": Text => "as of a task";
        "hosts": Map(&TEXTS) => "as of a task, besides its own";
        "ulimits": Map(&Text) => "as of a task, over its own";
        "cgroup-parent": Text => "as of a task";
        "no-cache": Switch => "as of a task";
    },
    needs: &[],
};

const DIRECTORIES: Shape = OneOrMore(&Either(&[Text, Shape::Object(&DIRECTORY)]));
const COPIES: Shape = OneOrMore(&Shape::Object(&COPY));
const FILES: Shape = Either(&[
    Map(&Either(&[Text, Shape::Object(&MADE)])),
    List(&Shape::Object(&FILE)),
]);
const COMMANDS: Shape = OneOrMore(&Either(&[Text, Shape::Object(&COMMAND)]));

/// A directory to make.
pub static DIRECTORY: Object = Object {
    what: "a directory",
    name: "directory",
    fields: fields! {
        "path": Text => "where, with all that leads there";
        "owner": Text => "who owns it, as `user` of a task; root otherwise";
        "time": Number => "its time, in seconds since 1970";
    },
    needs: &[&["path"]],
};

/// Files to copy.
pub static COPY: Object = Object {
    what: "a copy",
    name: "copy",
    fields: fields! {
        "from": Text => "a source, base or task; the build context otherwise";
        "files": TEXTS => "paths there, with `*`, `?` and `[…]`; a directory means what is in it; all of it otherwise";
        "to": Text => "where to; a path with `/` at its end is a directory";
        "owner": Text => "who owns the copies: `name|uid[:group|gid]`";
        "mode": Text => "their mode: `0755` or `\"u=rwX,go=rX\"`";
        "exclude": TEXTS => "patterns of what to leave out, relative to each of `files`; of a URL nothing is";
        "parents": Switch => "keep the directories that lead to a file, from `/./` on where its path has that; a URL has none";
        "unpack": Switch => "unpack archives";
        "link": Switch => "do not look at what is there: what is a link on the way is replaced";
        "name": Text => "of a URL: the file's name in a directory; the last part of the URL otherwise";
    },
    needs: &[&["to"]],
};

/// A file to write at a path that is known.
pub static MADE: Object = Object {
    what: "a file",
    name: "made",
    fields: fields! {
        "content": Text => "what is in it";
        "base64": Text => "the same as base64";
        "owner": Text => "as of a copy";
        "mode": Text => "as of a copy";
        "link": Switch => "as of a copy";
    },
    needs: &[&["content", "base64"]],
};

/// A file to write.
pub static FILE: Object = Object {
    what: "a listed file",
    name: "file",
    fields: fields! {
        "to": Text => "where to; a path with `/` at its end is a directory";
        "name": Text => "its name in a directory";
        "content": Text => "what is in it";
        "base64": Text => "the same as base64";
        "owner": Text => "as of a copy";
        "mode": Text => "as of a copy";
        "link": Switch => "as of a copy";
        "exclude": TEXTS => "of no effect: a Dockerfile may say it of a file, too";
    },
    needs: &[&["to"], &["content", "base64"]],
};

/// A description of layers to write.
pub static DESCRIBE: Object = Object {
    what: "a description",
    name: "describe",
    fields: fields! {
        "to": Text => "the JSON file to write";
        "layers": Map(&TEXTS) => "by the names that it has there: lists like `layers` of an image";
        "compression": Word(&["none", "gzip", "zstd"]) => "how new layers are compressed; `gzip` otherwise";
    },
    needs: &[&["to"], &["layers"]],
};

/// A command that is more than a text.
pub static COMMAND: Object = Object {
    what: "a command",
    name: "command",
    fields: fields! {
        "args": List(&Text) => "a program and its arguments";
        "shell": Text => "a text for the shell";
    },
    needs: &[&["args", "shell"]],
};

/// A mount.
pub static MOUNT: Object = Object {
    what: "a mount",
    name: "mount",
    fields: fields! {
        "type": Word(&["bind", "cache", "tmpfs", "secret", "ssh", "file"]) => "what it is; `bind` otherwise";
        "target": Text => "where it stands";
        "from": Text => "of bind and cache: a source, base or task; the build context otherwise, and nothing for a cache";
        "path": Text => "of bind and cache: a path there; its top otherwise";
        "id": Text => "of cache, secret and ssh: which one; a cache's target, the file name of a secret's target, and `default` otherwise";
        "sharing": Word(&["shared", "private", "locked"]) => "of cache: how steps at the same time share it";
        "size": Number => "of tmpfs: how many bytes it may have";
        "env": Text => "of secret: the variable to put it into";
        "required": Switch => "of secret and ssh: fail where it is not given";
        "content": Text => "of file: what is in it";
        "base64": Text => "of file: the same as base64";
        "mode": Text => "of cache, secret, ssh and file: the mode in octal digits";
        "uid": Number => "of cache, secret and ssh: who owns it";
        "gid": Number => "of cache, secret and ssh: which group owns it";
        "read-only": Switch => "refuse to write there; `false` for cache and tmpfs, `true` otherwise";
    },
    needs: &[],
};

/// What must come of a task.
pub static EXPECT: Object = Object {
    what: "an expectation",
    name: "expect",
    fields: fields! {
        "tree": Digest => "the digest of all files, with their modes, owners and names";
        "layer": Digest => "the diff_id of the task's layer; the times of its files count, so it suits what has the same ones each time";
        "files": Map(&Digest) => "digests of the contents of files";
    },
    needs: &[],
};

/// An image.
pub static IMAGE: Object = Object {
    what: "an image",
    name: "image",
    fields: fields! {
        "about": Text => "what it is for";
        "layers": TEXTS => "what it is made of: the first one whole, then what each other one changed; `NAME.layers[0]` and `NAME.layers[1..3]` are single layers";
        "ordered": Switch => "as of a task";
        "config": Shape::Object(&CONFIG) => "how it runs";
        "tags": TEXTS => "names that it gets";
        "platforms": TEXTS => "what it is built for; `--platform` says otherwise";
        "index": Switch => "make an index, even of one platform";
        "source-date-epoch": Number => "the time of the image in seconds since 1970";
        "matrix": Map(&List(&Text)) => "as of a task";
        "expect": Digest => "the digest of its tree, as of a task";
        "written": Shape::Object(&WRITTEN) => "instead of `layers` and `config`: a task wrote its manifest";
    },
    needs: &[&["layers", "written"]],
};

/// An image whose manifest a task wrote.
pub static WRITTEN: Object = Object {
    what: "a written image",
    name: "written",
    fields: fields! {
        "by": Text => "the task whose files they are";
        "manifests": TEXTS => "paths of the manifests";
        "layers": Map(&TEXTS) => "what they may name, as it was described to the task";
        "compression": Word(&["none", "gzip", "zstd"]) => "as it was described to the task";
        "blobs": OneOrMore(&Either(&[Text, Shape::Object(&BLOB)])) => "other files that they name: configs";
        "annotations": Map(&Text) => "annotations of the index";
    },
    needs: &[&["by"], &["manifests"]],
};

/// A file that is a blob of an image.
pub static BLOB: Object = Object {
    what: "a blob",
    name: "blob",
    fields: fields! {
        "path": Text => "where it is";
        "media-type": Text => "what a manifest must call it";
        "digest": Digest => "what it must be";
    },
    needs: &[&["path"]],
};

/// How an image runs.
pub static CONFIG: Object = Object {
    what: "a config",
    name: "config",
    fields: fields! {
        "from": Text => "the base, task or `scratch` whose config it starts as; the first one of `layers` otherwise";
        "entrypoint": TEXTS => "what always runs; a list is a program with arguments, a text is for the shell. The base's `cmd` goes";
        "cmd": TEXTS => "what runs, or the arguments of the entrypoint; a list or a text as there";
        "env": ENVIRONMENT => "variables, over those of the base; nothing takes one away. A list of `NAME=value` is all there is";
        "user": Text => "who runs it";
        "workdir": Text => "where it runs, relative to where the base does";
        "labels": Map(&TextOrNothing) => "labels, over those of the base; nothing takes one away";
        "ports": TEXTS => "ports that it listens on, besides those of the base: `80`, `8000-8010` or `53/udp`";
        "volumes": TEXTS => "directories that get a volume, besides those of the base";
        "stop-signal": Text => "the signal that ends it";
        "healthcheck": Either(&[Word(&["none"]), Shape::Object(&HEALTHCHECK)]) => "how to test that it works; `none` turns the base's off";
        "shell": List(&Text) => "the shell for texts";
        "on-build": TEXTS => "instructions for Dockerfiles that build on it";
        "author": Text => "who maintains it";
        "created": Text => "when it was made, as RFC 3339 has it: also when the new entries of its history were that say no time";
        "platform": Text => "what it says that it runs on";
        "args-escaped": Switch => "what docker calls `ArgsEscaped`; true where `cmd` is given";
        "history": List(&Shape::Object(&HISTORY)) => "how it was made, after the base's; an entry for each layer otherwise";
    },
    needs: &[],
};

/// A test of a container.
pub static HEALTHCHECK: Object = Object {
    what: "a healthcheck",
    name: "healthcheck",
    fields: fields! {
        "test": TEXTS => "a text for the shell, or a list that starts with `CMD`, `CMD-SHELL` or `NONE`";
        "interval": Text => "the time between two tests: `1m30s`; docker's own where a time is not given";
        "timeout": Text => "how long a test may take";
        "start-period": Text => "how long failures do not count";
        "start-interval": Text => "the time between two tests meanwhile";
        "retries": Number => "how many failures in a row count";
    },
    needs: &[&["test"]],
};

/// An entry of the history.
pub static HISTORY: Object = Object {
    what: "an entry of the history",
    name: "history",
    fields: fields! {
        "by": Text => "what was done";
        "comment": Text => "a remark";
        "author": Text => "who did it";
        "created": Text => "when, as RFC 3339 has it";
        "empty-layer": Switch => "it made no layer";
    },
    needs: &[],
};

/// All objects, in the order of the reference.
pub static OBJECTS: [&Object; 20] = [
    &PIPELINE,
    &IMPORT,
    &BASE,
    &SOURCE,
    &TASK,
    &STEP,
    &DIRECTORY,
    &COPY,
    &MADE,
    &FILE,
    &DESCRIBE,
    &COMMAND,
    &MOUNT,
    &EXPECT,
    &IMAGE,
    &CONFIG,
    &HEALTHCHECK,
    &HISTORY,
    &WRITTEN,
    &BLOB,
];
