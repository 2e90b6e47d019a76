//! `RUN a && b && c` is cut at `&&` into steps, so that a change of `c` does not do `a` again.
//!
//! It keeps the result the same because a cut is made only where nothing but the files of the tree passes from the commands before it to
//! those behind it. What else there is, and why it does not pass:
//!
//! - The shell's own state (directory, variables, options, functions, traps, jobs): only commands that are programs, or that are built in
//!   and change nothing, are in a chain that is cut; the grammar that is read has no assignments, compound commands or redirects of the
//!   shell itself. Expansions that tell one shell from another (`$$`, `$?`, `$RANDOM`) are refused. Before a command in such a chain, `$?` is 0
//!   either way, and the chain ends at the first failure with its code either way.
//! - Where the shell has found commands before (its hash table): a name is not used on both sides of a cut if another program may have come
//!   to be found by it in between.
//! - Processes left behind: all commands are known to leave none that a later one asks. What a package's scripts start dies at the cut rather
//!   than at the end.
//! - Process 1, which signals do not end unless it handles them: a part is not given to its last command to be, but where it was before.
//! - Mounts: what is written to a tmpfs, to a bind mount or to a cache directory that is more than a cache would be gone at the cut: such a
//!   `RUN` stays whole. So does one with commands or variables that name what every container has mounted (`/etc/resolv.conf`, `/dev`,
//!   `/proc`), or that count on what a cache directory has.
//! - The working directory, which a step makes if it is not there: nothing removes it, or makes it lead elsewhere.
//! - The shell that runs what is behind the cut: nothing removes or replaces it, and no file is read when it starts.
//! - Its user: nothing changes its groups.
//!
//! The layer stays one: whoever named the tree after the command names the tree after its last part.
//!
//! A cut costs a step more, so it is made behind a command that takes longer than that. And never where the rest depends on the moment of
//! what was done: people chain `apt-get update` to the installation so that both are done again together. A second download belongs to the first;
//! what unpacks or checks a download belongs to it, so that one that is not as it should be is fetched again; and a commit is looked for in
//! what was fetched with it.

use std::collections::BTreeSet;
use std::path::Path;

use stromatekt_graph::run::{Executor, Run};
use stromatekt_graph::{Graph, Node, NodeId, Op};

use crate::hazards::{SHELLS, check_command, check_run, search_path};
use crate::passes::{Note, Pass};
use crate::rewrite::Rewrite;
use crate::shell::commands::{self, Cost, Index, Installs, Known};
use crate::shell::{Link, Refusal, reader};

/// Stands behind a part that is not the last one. Without it, the shell would not start the last command but become it, and so make it
/// process 1, which no signal ends. It does nothing, and is nothing that the shell tells of where it traces what it does (`-x`).
const GOES_ON: &str = " && for part in; do :; done";

/// The graph with the commands cut that can be, and the roots in it.
#[must_use]
pub fn split(graph: &Graph, roots: &[NodeId], notes: &mut Vec<Note>) -> (Graph, Vec<NodeId>) {
    let mut rewrite = Rewrite::new(graph);
    for (id, node) in graph.nodes() {
        let parts = match &node.op {
            Op::Run(run) => parts_of(run),
            _ => None,
        };
        match (parts, &node.op) {
            (Some(Ok(parts)), Op::Run(run)) => {
                let count = parts.len();
                let text = format!("split into {count} steps");
                notes.push(Note::new(Pass::Split, node, true, text));
                chain(&mut rewrite, id, node, run, &parts);
            }
            (Some(Err(Refusal(reason))), _) => {
                let text = format!("not split: {reason}");
                notes.push(Note::new(Pass::Split, node, false, text));
                rewrite.keep(id);
            }
            _ => rewrite.keep(id),
        }
    }
    rewrite.finish(roots)
}

/// Puts one step behind another, the last of which stands for the whole.
fn chain(rewrite: &mut Rewrite<'_>, id: NodeId, node: &Node, run: &Run, parts: &[&str]) {
    let whole = run.args.last().map_or("", String::as_str);
    let mut part_of = Op::Run(Box::new(Run {
        shown: Some(run.shown.clone().unwrap_or_else(|| run.args.join(" "))),
        ..run.clone()
    }));
    part_of.map_inputs(|input| rewrite.place(input));
    let Op::Run(mut part_of) = part_of else {
        return rewrite.keep(id);
    };
    for (number, text) in parts.iter().enumerate() {
        let is_last = number + 1 == parts.len();
        if let Some(last) = part_of.args.last_mut() {
            *last = match is_last {
                true => (*text).to_owned(),
                false => format!("{text}{GOES_ON}"),
            };
        }
        let label = match node.label.split_once(whole) {
            Some((before, after)) => format!("{before}{text}{after}"),
            None => node.label.clone(),
        };
        part_of.root = rewrite.add(Node {
            op: Op::Run(part_of.clone()),
            label: format!("{label} (part {} of {})", number + 1, parts.len()),
            origin: node.origin.clone(),
            no_cache: node.no_cache,
        });
    }
    rewrite.put(id, part_of.root);
}

/// The texts into which a command is cut, or why it is not; nothing where it is no chain of a shell.
pub fn parts_of(run: &Run) -> Option<Result<Vec<&str>, Refusal>> {
    let text = run.args.last()?;
    if run.executor != Executor::Runc
        || !text.contains("&&")
        || !is_shell(&run.args[..run.args.len() - 1])
    {
        return None;
    }
    Some(cut(run, text))
}

/// Whether words are a shell that reads the next one as a command, with no options but those that make it stricter or show what it does.
fn is_shell(words: &[String]) -> bool {
    let Some((shell, options)) = words.split_first() else {
        return false;
    };
    let mut options = options.iter().map(String::as_str);
    let mut reads_command = false;
    while let Some(option) = options.next() {
        let Some(letters) = option
            .strip_prefix('-')
            .filter(|letters| !letters.is_empty())
        else {
            return false;
        };
        for letter in letters.chars() {
            match letter {
                'c' => reads_command = true,
                'e' | 'u' | 'x' => {}
                'o' => {
                    let named = ["errexit", "nounset", "pipefail", "xtrace"];
                    if !options.next().is_some_and(|name| named.contains(&name)) {
                        return false;
                    }
                }
                _ => return false,
            }
        }
    }
    reads_command && SHELLS.contains(&shell.as_str())
}

fn cut<'a>(run: &Run, text: &'a str) -> Result<Vec<&'a str>, Refusal> {
    let links = reader::read(text, &run.env)?;
    let mut known = Vec::new();
    for link in &links {
        known.push(LinkKnown::of(link)?);
    }
    check_run(run)?;
    for (index, link) in links.iter().enumerate() {
        let is_last = index + 1 == links.len();
        for command in link.all() {
            check_command(run, command, is_last)?;
        }
    }
    let mut parts = Vec::new();
    let mut start = 0;
    for index in cuts(&known, finds_anywhere(run)) {
        parts.push(&text[links[start].start..links[index].end]);
        start = index + 1;
    }
    if parts.is_empty() {
        return Err(Refusal(why_whole(&known).into()));
    }
    parts.push(&text[links[start].start..links[links.len() - 1].end]);
    Ok(parts)
}

/// What is known of all commands of a link together.
struct LinkKnown {
    cost: Cost,
    installs: Installs,
    fetched: Vec<&'static str>,
    used: Vec<&'static str>,
    is_download: bool,
    /// What the shell looks for.
    names: BTreeSet<String>,
}

impl LinkKnown {
    fn of(link: &Link) -> Result<Self, Refusal> {
        let known = link
            .all()
            .map(commands::look_up)
            .collect::<Result<Vec<Known>, _>>()?;
        let costs = || known.iter().map(|known| known.cost);
        let names = link
            .all()
            .filter_map(|command| command.words.first())
            .map(|word| word.text.clone())
            .filter(|name| !name.contains('/') && !commands::is_builtin(name));
        Ok(Self {
            cost: match costs().all(|cost| cost == Cost::Cleanup) {
                true => Cost::Cleanup,
                false if costs().any(|cost| cost == Cost::Large) => Cost::Large,
                false => Cost::Small,
            },
            installs: known
                .iter()
                .map(|known| known.installs)
                .max()
                .unwrap_or(Installs::Nothing),
            fetched: known
                .iter()
                .filter_map(|known| match known.index {
                    Index::Fetched(family) => Some(family),
                    _ => None,
                })
                .collect(),
            used: known
                .iter()
                .filter_map(|known| match known.index {
                    Index::Used(family) => Some(family),
                    _ => None,
                })
                .collect(),
            is_download: known.iter().any(|known| known.is_download),
            names: names.collect(),
        })
    }
}

/// Behind which links a cut is made.
fn cuts(known: &[LinkKnown], finds_anywhere: bool) -> Vec<usize> {
    let mut cuts = Vec::new();
    let mut at = 0;
    while at < known.len() {
        let LinkKnown {
            cost, is_download, ..
        } = known[at];
        if cost == Cost::Large {
            // What tidies up belongs to what made the mess; what looks at a download, to the download.
            let belongs = |next: &LinkKnown| match next.cost {
                Cost::Cleanup => true,
                Cost::Small => is_download,
                Cost::Large => false,
            };
            while known.get(at + 1).is_some_and(belongs) {
                at += 1;
            }
            if at + 1 < known.len() && is_free(known, at, finds_anywhere) {
                cuts.push(at);
            }
        }
        at += 1;
    }
    cuts
}

/// Whether the shell looks for commands where others than installers may put some: not in a directory for programs, or in the one that it is in.
fn finds_anywhere(run: &Run) -> bool {
    search_path(run).any(|part| {
        let is_here = run.cwd != "/" && Path::new(part).starts_with(&run.cwd);
        !part.starts_with('/') || !part.contains("bin") || is_here
    })
}

/// Whether what is behind a link may be done at another time, by another shell.
fn is_free(known: &[LinkKnown], at: usize, finds_anywhere: bool) -> bool {
    let (before, behind) = known.split_at(at + 1);
    let is_fetched = |family: &&str| before.iter().any(|link| link.fetched.contains(family));
    if behind.iter().any(|link| link.used.iter().any(is_fetched)) {
        return false;
    }
    if before.iter().any(|link| link.is_download) && behind.iter().any(|link| link.is_download) {
        return false;
    }
    // The shell goes on to use what it found first, whatever comes to be there; packages of a distribution do not hide each other's programs.
    let is_moved = |name: &String| {
        let uses = |link: &LinkKnown| link.names.contains(name);
        match (before.iter().position(uses), known.iter().rposition(uses)) {
            (Some(first), Some(last)) if last > at => {
                let between = &known[first..last];
                let installs = |link: &LinkKnown| link.installs == Installs::Anything;
                finds_anywhere || between.iter().any(installs)
            }
            _ => false,
        }
    };
    !behind.iter().flat_map(|link| &link.names).any(is_moved)
}

fn why_whole(known: &[LinkKnown]) -> &'static str {
    let last = known
        .iter()
        .rposition(|link| link.cost != Cost::Cleanup)
        .unwrap_or(0);
    match known[..last].iter().any(|link| link.cost == Cost::Large) {
        true => {
            "what stands behind depends on the moment of what is done first, or on where the shell found a command"
        }
        false => "nothing before its end takes so long that a step of its own would save time",
    }
}
