//! `stromatekt compat`: builds with docker or buildah and with stromatekt, and tells in what the images differ.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::CommandFactory;
use serde_json::json;
use stromatekt_compare::{Image, Rules, compare};
use stromatekt_engine::events;
use stromatekt_executor::Secrets;
use stromatekt_oci::Platform;
use tokio_util::sync::CancellationToken;

use crate::cli::Cli;
use crate::commands::image_diff::{Telling, pretty, temporary};
use crate::compat::images::{Reading, Spelling};
use crate::compat::program::{Ended, Program};
use crate::compat::reference::{Kind, Reference, Told};
use crate::compat::{arguments, bases, blame};
use crate::context::Place;
use crate::context_files::Fetch;
use crate::error::{DockerfileText, Error, Result};
use crate::interrupt;
use crate::options;
use crate::output::print;
use crate::settings::Settings;

/// The options that are not those of `build`.
const OWN: [&str; 5] = ["against", "json", "layers", "history", "strict"];
/// How many lines of a failed build's log are shown.
const MAX_LINES: usize = 30;

/// The options.
#[derive(Clone, Debug, clap::Args)]
// Another group of this name is that of the options of `build`.
#[group(skip)]
#[command(
    after_help = "All other options are those of `build`, and are given to both builders. A base image that the other builder \
has is the base of both; others come from their registry. With --no-cache, which builds everything anew, times of files count as well.\n\n\
Exits with 0 if the images are the same, or both builds fail at the same line; 1 if they differ, or one build fails alone; 2 if they \
could not be compared."
)]
pub struct Args {
    /// What is compared with: docker (by buildx where the client has it), buildkit or classic (docker's two builders by name),
    /// buildah, or an image, as `image diff` takes it
    #[arg(long, value_name = "BUILDER|IMAGE", default_value = "docker")]
    against: String,
    /// How it is told.
    #[command(flatten)]
    telling: Telling,
    /// What is built.
    #[command(flatten)]
    build: options::Args,
}

/// Compares.
///
/// # Errors
/// When the images differ, or could not be compared.
pub async fn run(root: &Path, args: Args) -> Result<()> {
    let work = Work::new(root, &args).map_err(Error::not_compared)?;
    let found = work.compare().await.map_err(Error::not_compared)?;
    found.tell(args.telling)
}

/// What all parts of the work need.
struct Work<'a> {
    root: &'a Path,
    args: &'a Args,
    settings: Settings,
    options: Vec<OsString>,
    platform: Platform,
    directory: tempfile::TempDir,
    /// A copy of standard input, for both.
    stdin: Option<PathBuf>,
    cancel: CancellationToken,
}

/// What came of two builds.
enum Found {
    Compared(Box<stromatekt_compare::Comparison>),
    Failed(Side, Side),
}

/// A builder, and how it failed, if it did.
struct Side {
    name: String,
    failure: Option<Failure>,
}

struct Failure {
    log: String,
    line: Option<u32>,
}

impl<'a> Work<'a> {
    fn new(root: &'a Path, args: &'a Args) -> Result<Self> {
        let settings = Settings::new(&args.build)?;
        if args.build.platforms.len() > 1 {
            return Err(Error::Usage {
                what: "images of several platforms are not compared at once".into(),
                hint: "give one platform with --platform".into(),
            });
        }
        let cancel = interrupt::on_signal()?;
        let directory = temporary()?;
        let reads_stdin =
            args.build.context == "-" || args.build.file.as_ref().is_some_and(|file| file == "-");
        let stdin = match reads_stdin {
            true => Some(copy_stdin(directory.path())?),
            false => None,
        };
        let platform = args.build.platforms.first();
        Ok(Self {
            root,
            args,
            settings,
            options: passed()?,
            platform: platform.cloned().unwrap_or_else(Platform::host),
            directory,
            stdin,
            cancel,
        })
    }

    async fn compare(&self) -> Result<Found> {
        match Kind::parse(&self.args.against) {
            Some(kind) => {
                let reference = Reference::find(kind, &self.cancel).await?;
                self.with_builder(&reference).await
            }
            None => self.with_image().await,
        }
    }

    async fn with_image(&self) -> Result<Found> {
        let against = &self.args.against;
        let spelling = Spelling::parse(against)?;
        let left = spelling.open(against, &self.reading()).await?;
        let own = self.own(&[]).await?;
        if !own.status.success() {
            let left = Side {
                name: against.clone(),
                failure: None,
            };
            return Ok(Found::Failed(left, self.side(called(), own).await));
        }
        let right = self.own_image().await?;
        let rules = self.args.telling.rules(Rules::between(&left, &right));
        Ok(Found::Compared(Box::new(compare(&left, &right, &rules))))
    }

    async fn with_builder(&self, reference: &Reference) -> Result<Found> {
        let started = SystemTime::now();
        self.say(&format!("{}: building", reference.name));
        let told = Told {
            options: &self.options,
            context: &self.args.build.context,
            stdin: self.stdin.as_deref(),
        };
        let other = reference.build(&told, &self.cancel).await?;
        let given = match self.dockerfile().await {
            Some(text) => {
                let places = (self.root, self.directory.path());
                bases::given(reference, &text, &self.settings, places, &self.cancel).await?
            }
            None => Vec::new(),
        };
        for base in &given {
            self.say(&format!(
                "{}: the one of {} is the base for stromatekt, too",
                base.name, reference.name
            ));
        }
        let contexts: Vec<OsString> = given.into_iter().map(|base| base.option).collect();
        let own = self.own(&contexts).await?;
        if !(other.status.success() && own.status.success()) {
            let left = self.side(reference.name.clone(), other).await;
            return Ok(Found::Failed(left, self.side(called(), own).await));
        }
        let saved = self.directory.path().join("other");
        reference.save(&saved, &self.cancel).await?;
        let reading = self.reading();
        let left = reading.file(&saved, None).await?;
        let left = left.named(reference.name.clone());
        let right = self.own_image().await?;
        let rules = Rules {
            // Steps that were not run anew have files of earlier builds.
            started: self.args.build.no_cache.then_some(started),
            ..Rules::against(reference.builder())
        };
        let rules = Rules {
            history: rules.history || self.args.telling.history,
            layers: rules.layers || self.args.telling.layers,
            ..self.args.telling.rules(rules)
        };
        if !rules.layers && !rules.history {
            self.say("buildah: one layer for all, so neither layers nor histories are compared");
        }
        Ok(Found::Compared(Box::new(compare(&left, &right, &rules))))
    }

    fn reading(&self) -> Reading<'_> {
        Reading {
            root: self.root,
            directory: self.directory.path(),
            platform: &self.platform,
            cancel: &self.cancel,
        }
    }

    /// Builds with this very program: what a person would have done, in a process that fails by itself.
    async fn own(&self, contexts: &[OsString]) -> Result<Ended> {
        self.say(&format!("{}: building", called()));
        let program = std::env::current_exe().map_err(Error::file("find", "/proc/self/exe"))?;
        let mut output = OsString::from("--output=type=oci,tar=false,dest=");
        output.push(self.layout());
        Program::new(program)
            .called(called())
            .args([OsStr::new("--root"), self.root.as_os_str()])
            .args(["build", "--progress=plain"])
            .args([output])
            .args(&self.options)
            .args(contexts)
            .args([&self.args.build.context])
            .stdin(self.stdin.as_deref())
            .run(&self.cancel)
            .await
    }

    async fn own_image(&self) -> Result<Image> {
        let image = self.reading().file(&self.layout(), None).await?;
        Ok(image.named(called()))
    }

    fn layout(&self) -> PathBuf {
        self.directory.path().join("stromatekt")
    }

    /// The Dockerfile, where it is on this machine; elsewhere, the builders find bases by themselves.
    async fn dockerfile(&self) -> Option<DockerfileText> {
        let (events, _receiver) = events::channel();
        let fetch = Fetch {
            root: self.root,
            events: &events,
            cancel: &self.cancel,
            secrets: &Secrets::default(),
        };
        let place = Place::find(&self.args.build.context).ok()?;
        let file = self.args.build.file.as_ref();
        if let Some(stdin) = &self.stdin {
            let text = std::fs::read(stdin).ok()?;
            return Some(DockerfileText {
                name: "Dockerfile".into(),
                text: String::from_utf8(text).ok()?.into(),
            });
        }
        match place {
            Place::Directory(_) => Some(place.open(file, &fetch).await.ok()?.dockerfile),
            _ => None,
        }
    }

    async fn side(&self, name: String, ended: Ended) -> Side {
        let failure = match ended.status.success() {
            true => None,
            false => {
                let text = self.dockerfile().await;
                Some(Failure {
                    line: blame::line(&ended.log, text.as_ref()),
                    log: ended.log,
                })
            }
        };
        Side { name, failure }
    }

    /// Tells on standard error what is being done.
    fn say(&self, what: &str) {
        // Where nobody reads it, nobody misses it.
        let _ = writeln!(io::stderr(), "{what}");
    }
}

/// The options of `build` as they were typed.
fn passed() -> Result<Vec<OsString>> {
    let mut command = Cli::command();
    command.build();
    // They were understood once already.
    let matches = command.clone().try_get_matches_from(std::env::args_os());
    let matches = matches.unwrap_or_else(|error| error.exit());
    match (
        command.find_subcommand("compat"),
        matches.subcommand_matches("compat"),
    ) {
        (Some(command), Some(matches)) => arguments::passed(command, matches, &OWN),
        _ => Ok(Vec::new()),
    }
}

fn called() -> String {
    format!("stromatekt {}", env!("CARGO_PKG_VERSION"))
}

fn copy_stdin(directory: &Path) -> Result<PathBuf> {
    let path = directory.join("stdin");
    let mut file = File::create(&path).map_err(Error::file("make", &path))?;
    io::copy(&mut io::stdin().lock(), &mut file)
        .map_err(Error::file("copy standard input to", &path))?;
    Ok(path)
}

impl Found {
    fn tell(self, telling: Telling) -> Result<()> {
        let (left, right) = match self {
            Self::Compared(comparison) => return telling.tell(&comparison),
            Self::Failed(left, right) => (left, right),
        };
        let same = fail_alike(&left, &right);
        let text = match telling.json {
            true => pretty(&json!({
                "same": same,
                "left": left.name,
                "right": right.name,
                "failures": {"left": left.json(), "right": right.json()},
            })),
            false => {
                let mut text = left.text() + &right.text();
                text.push_str(match (same, &left.failure, &right.failure) {
                    (true, ..) => "both builds fail alike\n",
                    (false, Some(_), Some(_)) => "both builds fail, but blame different lines\n",
                    _ => "one build fails, the other does not\n",
                });
                text
            }
        };
        print(&text)?;
        match same {
            true => Ok(()),
            false => Err(Error::Different),
        }
    }
}

/// Whether both fail, and blame the same line; a builder that tells none may mean any.
fn fail_alike(left: &Side, right: &Side) -> bool {
    match (&left.failure, &right.failure) {
        (Some(left), Some(right)) => match (left.line, right.line) {
            (Some(left), Some(right)) => left == right,
            _ => true,
        },
        _ => false,
    }
}

impl Side {
    fn text(&self) -> String {
        let Some(failure) = &self.failure else {
            return format!("{}: succeeds\n\n", self.name);
        };
        let at = match failure.line {
            Some(line) => format!("at line {line}"),
            None => "and tells no line".to_owned(),
        };
        let mut text = format!("{}: fails {at}\n", self.name);
        for line in failure.last_lines() {
            let _ = writeln!(text, "  | {line}");
        }
        text.push('\n');
        text
    }

    fn json(&self) -> serde_json::Value {
        match &self.failure {
            Some(failure) => json!({
                "line": failure.line,
                "log": failure.last_lines().join("\n"),
            }),
            None => serde_json::Value::Null,
        }
    }
}

impl Failure {
    fn last_lines(&self) -> Vec<&str> {
        let lines: Vec<&str> = self.log.trim_end().lines().collect();
        lines[lines.len().saturating_sub(MAX_LINES)..].to_vec()
    }
}
