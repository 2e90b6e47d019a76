//! One case built by both builders, and what differs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use stromatekt_compare::{Image, LayerCache, Rules, compare};
use stromatekt_oci::Platform;

use super::known;
use super::model::{Case, Outcome};
use crate::blame::{self, Lines};
use crate::command::{self, Done};
use crate::docker::Docker;
use crate::error::{Error, Result};
use crate::private_copy;
use crate::stromatekt::Stromatekt;

/// No case needs longer.
const LIMIT: Duration = Duration::from_secs(120);
/// How docker fails, from then on, where its cache has lost a snapshot: when a build that made it was cancelled.
const LOST: &str = "failed to stat active key during commit";
/// Mistakes of a case that are told apart.
const MISTAKES: usize = 8;
/// All times that cases set are earlier, all that builds set by themselves are later: 2024-01-01.
const NEWER: u64 = 1_704_067_200;

/// Both builders, ready to build.
#[derive(Debug)]
pub struct Pair {
    /// The reference.
    pub docker: Docker,
    /// Who is tried, with the base image in its store.
    pub stromatekt: Stromatekt,
    /// Where cases are put, beneath docker's directory of work.
    pub work: PathBuf,
    /// The frontend that docker reads Dockerfiles with, where it is not its own.
    pub frontend: Option<String>,
    /// Layers that were read before.
    pub layers: LayerCache,
    /// How many directories of cases there have been.
    pub builds: AtomicUsize,
}

/// What became of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Both made the same image.
    Same,
    /// Both refused it, at the same instruction if there is one.
    Refused(Option<usize>),
    /// It cannot be built at all.
    Unfit(String),
    /// They differ.
    Different(Found),
}

/// What two builders did not do alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Which kind of difference it is: the same for each case that shows it.
    pub kind: String,
    /// The difference for people.
    pub lines: Vec<String>,
}

impl Pair {
    /// Builds a case in a directory of this name and compares.
    ///
    /// # Errors
    /// When a builder cannot be started or the case cannot be written.
    pub fn judge(&self, case: &Case, slot: &str) -> Result<Verdict> {
        let place = self.place(slot);
        if let Some(unfit) = prepare(case, &place)? {
            return Ok(Verdict::Unfit(unfit));
        }
        let left = self.by_docker(case, &place)?;
        let right = self.by_stromatekt(case, &place)?;
        let attempt = self.weigh(case, &place, &left, &right);
        let is_apart = matches!(attempt.verdict, Verdict::Different(_));
        let verdict = match (attempt.left, attempt.right) {
            // Steps run at the same time, so of several mistakes each builder may name another first.
            (Some(left), Some(right))
                if is_apart
                    && self.finds(case, slot, left, Self::stromatekt_blames)?
                    && self.finds(case, slot, right, Self::docker_blames)? =>
            {
                Verdict::Refused(Some(left))
            }
            _ => attempt.verdict,
        };
        remove(&place)?;
        Ok(verdict)
    }

    /// Whether a builder blames an instruction once those that it blames before are left out.
    fn finds(
        &self,
        case: &Case,
        slot: &str,
        culprit: usize,
        blames: impl Fn(&Self, &Case, &Path) -> Result<Option<usize>>,
    ) -> Result<bool> {
        let (mut case, mut culprit) = (case.clone(), culprit);
        for _ in 0..MISTAKES {
            let place = self.place(slot);
            if prepare(&case, &place)?.is_some() {
                return Ok(false);
            }
            let blamed = blames(self, &case, &place)?;
            remove(&place)?;
            match blamed {
                Some(at) if at == culprit || are_one(&case, at, culprit) => return Ok(true),
                Some(at) => {
                    let before = case.instructions.len();
                    case = without(&case, at);
                    if at < culprit {
                        culprit -= before - case.instructions.len();
                    }
                }
                None => return Ok(false),
            }
        }
        Ok(false)
    }

    fn docker_blames(&self, case: &Case, place: &Path) -> Result<Option<usize>> {
        let done = self.by_docker(case, place)?;
        Ok(at(case, blame::buildkit(&done.stderr)).filter(|_| !done.success))
    }

    fn stromatekt_blames(&self, case: &Case, place: &Path) -> Result<Option<usize>> {
        let done = self.by_stromatekt(case, place)?;
        Ok(at(case, blame::stromatekt(&done.stderr)).filter(|_| !done.success))
    }

    /// A directory that no build has seen.
    fn place(&self, slot: &str) -> PathBuf {
        let number = self.builds.fetch_add(1, Ordering::Relaxed);
        self.work.join(format!("{slot}-{number}"))
    }

    fn by_docker(&self, case: &Case, place: &Path) -> Result<Done> {
        let done = self.by_docker_once(case, place, false)?;
        if done.success || !done.stderr.contains(LOST) {
            return Ok(done);
        }
        self.by_docker_once(case, place, true)
    }

    fn by_docker_once(&self, case: &Case, place: &Path, no_cache: bool) -> Result<Done> {
        let copy = self.docker.inside(&copy_in(place));
        let mut build = self.docker.buildx();
        build.args([
            "build",
            "--progress=plain",
            "--provenance=false",
            "--network=none",
        ]);
        if no_cache {
            build.arg("--no-cache");
        }
        if let Some(frontend) = &self.frontend {
            build
                .arg("--build-arg")
                .arg(format!("BUILDKIT_SYNTAX={frontend}"));
        }
        let out = self.docker.inside(&place.join("docker"));
        build.arg(format!(
            "--output=type=oci,tar=false,dest={}",
            out.display()
        ));
        finish(build, case, &copy)
    }

    fn by_stromatekt(&self, case: &Case, place: &Path) -> Result<Done> {
        let mut build = self.stromatekt.command();
        build.args(["build", "--progress=plain", "--network=none"]);
        build.arg(format!(
            "--output=type=oci,tar=false,dest={}",
            place.join("stromatekt").display()
        ));
        finish(build, case, &copy_in(place))
    }

    fn weigh(&self, case: &Case, place: &Path, left: &Done, right: &Done) -> Attempt {
        let lines = (
            blame::buildkit(&left.stderr),
            blame::stromatekt(&right.stderr),
        );
        let (left_at, right_at) = (at(case, lines.0.clone()), at(case, lines.1.clone()));
        let different =
            |kind: String, lines: Vec<String>| Verdict::Different(Found { kind, lines });
        let (left_error, right_error) = (last_error(&left.stderr), last_error(&right.stderr));
        let verdict = match (left.success, right.success) {
            (false, _)
                if left_at.is_some_and(|at| {
                    let one = &case.instructions[at];
                    known::is_not_transferred(one, &left_error)
                        || known::looks_at_excluded(one, &left_error)
                        || known::leads_above_the_destination(one, &left_error)
                }) =>
            {
                Verdict::Refused(left_at)
            }
            (false, true) if known::cannot_be_transferred(&left_error) => Verdict::Refused(None),
            (_, false) if known::is_found_late(&right_error) => Verdict::Refused(left_at),
            (true, true) => self.images(case, place).unwrap_or_else(|error| {
                different(
                    format!("unreadable: {}", gist(&error.to_string())),
                    vec![error.to_string()],
                )
            }),
            (false, false) => {
                let overlap = |(left, right): (&Lines, &Lines)| blame::overlap(left, right);
                let agree = lines.0.as_ref().zip(lines.1.as_ref()).is_some_and(overlap);
                if left_at.is_some() && left_at != right_at && !agree && !same_mistake(left, right)
                {
                    different(
                        format!(
                            "blame: {} / {}",
                            gist(&last_error(&left.stderr)),
                            gist(&last_error(&right.stderr))
                        ),
                        vec![
                            format!(
                                "docker blames {}: {}",
                                blame::show(lines.0.as_ref()),
                                last_error(&left.stderr)
                            ),
                            format!(
                                "stromatekt blames {}: {}",
                                blame::show(lines.1.as_ref()),
                                last_error(&right.stderr)
                            ),
                        ],
                    )
                } else {
                    Verdict::Refused(left_at.or(right_at))
                }
            }
            (true, false)
                if right_at.is_some_and(|at| {
                    known::is_refused_by_newest(&case.instructions[at], &last_error(&right.stderr))
                }) =>
            {
                Verdict::Refused(right_at)
            }
            (true, false) => different(
                format!(
                    "only stromatekt fails: {}",
                    gist(&last_error(&right.stderr))
                ),
                vec![format!("only stromatekt fails: {}", right.tail())],
            ),
            (false, true) => different(
                format!("only docker fails: {}", gist(&last_error(&left.stderr))),
                vec![format!("only docker fails: {}", left.tail())],
            ),
        };
        Attempt {
            left: left_at.filter(|_| !left.success),
            right: right_at.filter(|_| !right.success),
            verdict,
        }
    }

    fn images(
        &self,
        case: &Case,
        place: &Path,
    ) -> std::result::Result<Verdict, stromatekt_compare::Error> {
        let open =
            |name: &str| Image::open_with(&place.join(name), None, &Platform::host(), &self.layers);
        let (left, right) = (open("docker")?, open("stromatekt")?);
        let rules = Rules {
            started: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(NEWER)),
            ..Rules::default()
        };
        let found = compare(&left, &right, &rules);
        let torn = known::torn(case, &found.differences);
        let differences: Vec<_> = found
            .differences
            .iter()
            .filter(|one| known::reason(case, self.frontend.is_some(), one, &torn).is_none())
            .collect();
        if differences.is_empty() {
            return Ok(Verdict::Same);
        }
        let mut kinds: Vec<String> = differences
            .iter()
            .map(|one| format!("{:?}", one.kind))
            .collect();
        kinds.sort();
        kinds.dedup();
        let lines = differences
            .iter()
            .take(8)
            .map(|one| {
                format!(
                    "{}: docker {}, stromatekt {}{}",
                    one.place,
                    side(one.left.as_ref()),
                    side(one.right.as_ref()),
                    one.text
                        .as_ref()
                        .map_or(String::new(), |text| format!("\n{text}"))
                )
            })
            .collect();
        Ok(Verdict::Different(Found {
            kind: kinds.join(" "),
            lines,
        }))
    }
}

struct Attempt {
    /// The instruction that docker blames.
    left: Option<usize>,
    /// The one that stromatekt blames.
    right: Option<usize>,
    verdict: Verdict,
}

/// Puts a case where builders find it; what its setup says where that fails.
fn prepare(case: &Case, place: &Path) -> Result<Option<String>> {
    remove(place)?;
    std::fs::create_dir_all(place).map_err(Error::file("make", place))?;
    let (folder, copy) = (place.join("case"), copy_in(place));
    case.write(&folder).map_err(Error::file("write", &folder))?;
    private_copy::make(&folder, &copy)?;
    let script = case.script();
    if !script.is_empty()
        && let Err(Error::Command { output, .. }) =
            private_copy::set_up(&copy, &script, &BTreeMap::new())
    {
        return Ok(Some(output));
    }
    Ok(None)
}

/// The context, with a name that no other has: docker takes a file of a context for the one that it had in a context of that name before, if
/// time and size are the same.
fn copy_in(place: &Path) -> PathBuf {
    place.join(place.file_name().unwrap_or_default())
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::file("remove", path)(error))
        }
        _ => Ok(()),
    }
}

fn at(case: &Case, lines: Option<Lines>) -> Option<usize> {
    lines.and_then(|lines| case.instruction_at(*lines.start() as usize))
}

/// Whether two instructions are one to a parser: where a line ends with an escape and a space, the next one belongs to it.
fn are_one(case: &Case, one: usize, other: usize) -> bool {
    let (first, second) = (one.min(other), one.max(other));
    let text = case.instructions[first].text();
    second == first + 1 && text.trim_end().ends_with(super::words::escape(case))
}

/// The case without an instruction; a stage begins all the same, with nothing.
fn without(case: &Case, index: usize) -> Case {
    let mut other = case.clone();
    if other.instructions[index].is_from() {
        other.instructions[index].flags.clear();
        if let Some(base) = other.instructions[index].arguments.first_mut() {
            "scratch".clone_into(base);
        }
    } else {
        other.instructions.remove(index);
    }
    other
}

fn side(value: Option<&String>) -> String {
    match value {
        Some(value) => value.chars().take(300).collect(),
        None => "none".to_owned(),
    }
}

/// Arguments and environment that both builders have, and the build.
fn finish(mut build: Command, case: &Case, copy: &Path) -> Result<Done> {
    for arg in case.args.iter().flatten() {
        build.arg(arg.replace("{work}", &copy.display().to_string()));
    }
    build.envs(&case.env).arg(copy);
    command::run(&mut build, None, LIMIT)
}

/// The line that says what was wrong.
fn last_error(output: &str) -> String {
    let docker = output
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("ERROR: "));
    let stromatekt = output.lines().find_map(|line| {
        line.trim_start()
            .strip_prefix("x ")
            .or_else(|| line.trim_start().strip_prefix("× "))
    });
    docker
        .or(stromatekt)
        .or(output.lines().last())
        .unwrap_or_default()
        .to_owned()
}

/// Whether both say that the same path is not there: several instructions may want it.
fn same_mistake(left: &Done, right: &Done) -> bool {
    let absent = |output: &str| {
        let error = last_error(output);
        let (_, path) = error.strip_suffix("\": not found")?.rsplit_once('"')?;
        Some(path.to_owned())
    };
    let path = absent(&left.stderr);
    path.is_some() && path == absent(&right.stderr)
}

/// What messages of the same mistake have in common: words, without names and numbers.
fn gist(message: &str) -> String {
    let words: Vec<&str> = message
        .split_whitespace()
        .filter(|word| {
            word.len() > 1
                && word
                    .chars()
                    .all(|c| c.is_ascii_alphabetic() || ":,".contains(c))
        })
        .collect();
    words[..words.len().min(14)].join(" ")
}

/// Whether a case was to fail.
#[must_use]
pub fn is_wrong(case: &Case) -> bool {
    case.outcome == Outcome::Failure
}
