//! The pictures of a build that ended, whether well or not: `--timeline`, `--trace`.
//!
//! That they can be written is known before the build begins. Until it has ended there is no file that was not there before: it may lie in the
//! build context, and would be in the image.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use stromatekt_view::timeline::{Recorder, Timeline, page, trace};

use crate::error::{Error, Result};
use crate::options::Args;

/// The files that are asked for.
pub struct Pictures {
    title: String,
    files: Vec<(PathBuf, Target, Render)>,
}

/// Where a picture goes.
enum Target {
    /// Into a file that was there, whose content stays until there is something better.
    Open(File),
    /// Into one that is made.
    New,
}

/// How a picture is drawn.
type Render = fn(&Timeline) -> String;

/// Checks that pictures are asked for of something that has them.
///
/// # Errors
/// When nothing is built, or one file is to be both.
pub fn check(args: &Args) -> Result<()> {
    let is_asked = args.timeline.is_some() || args.trace.is_some();
    if is_asked && args.call.asked().is_some() {
        return Err(Error::Usage {
            what: "--timeline and --trace show a build, and nothing is built here".into(),
            hint: "leave them out, or --check and --call".into(),
        });
    }
    match args.timeline.is_some() && args.timeline == args.trace {
        true => Err(same_file()),
        false => Ok(()),
    }
}

impl Pictures {
    /// Opens the files, so that a build whose pictures cannot be written does not begin.
    ///
    /// # Errors
    /// When one cannot be written, or both are one.
    pub fn open(args: &Args) -> Result<Self> {
        let asked: [(&Option<PathBuf>, Render); 2] =
            [(&args.timeline, page::render), (&args.trace, trace::render)];
        let mut files: Vec<(PathBuf, Target, Render)> = Vec::new();
        let mut places = Vec::new();
        for (path, render) in asked {
            let Some(path) = path else { continue };
            let (target, place) = open(path).map_err(Error::file("write", path))?;
            if places.contains(&place) {
                // By another path, or a link.
                return Err(same_file());
            }
            places.push(place);
            files.push((path.clone(), target, render));
        }
        Ok(Self {
            title: title(args),
            files,
        })
    }

    /// What collects the events, where somebody wants to see them.
    pub fn recorder(&self) -> Option<Recorder> {
        (!self.files.is_empty()).then(|| Recorder::new(SystemTime::now()))
    }

    /// Writes them, each whether the other can be written or not.
    ///
    /// # Errors
    /// When one cannot be written.
    pub fn write(self, recorder: Option<Recorder>) -> Result<()> {
        let Some(recorder) = recorder else {
            return Ok(());
        };
        let timeline = recorder.finish(self.title, SystemTime::now());
        let mut all = Ok(());
        for (path, target, render) in self.files {
            let file = match target {
                Target::Open(file) => Ok(file),
                Target::New => File::create(&path),
            };
            let written = file.and_then(|file| replace(file, &render(&timeline)));
            all = all.and(written.map_err(Error::file("write", &path)));
        }
        all
    }
}

/// What is built, for a title: the image by its first name, or the directory that it is built from.
pub fn title(args: &Args) -> String {
    let context = Path::new(&args.context);
    let directory = context.canonicalize().ok();
    let name = directory.as_deref().and_then(Path::file_name);
    match args.tags.first() {
        Some(tag) => tag.familiar(),
        None => name.unwrap_or(&args.context).to_string_lossy().into_owned(),
    }
}

/// Opens a file to write, without a change of what is in there; and where it is. One that is not there is made, and removed.
fn open(path: &Path) -> io::Result<(Target, PathBuf)> {
    // That of a pipe is no path.
    let place = || path.canonicalize().unwrap_or_else(|_| path.to_owned());
    match File::create_new(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            // A link may lead to what is not there.
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(false);
            let file = options.open(path)?;
            Ok((Target::Open(file), place()))
        }
        made => {
            made?;
            let place = place();
            fs::remove_file(path)?;
            Ok((Target::New, place))
        }
    }
}

fn same_file() -> Error {
    Error::Usage {
        what: "--timeline and --trace name the same file".into(),
        hint: "the one is a page, the other is JSON: give each a file of its own".into(),
    }
}

fn replace(mut file: File, text: &str) -> io::Result<()> {
    // A pipe has no length.
    if file.metadata()?.is_file() {
        file.set_len(0)?;
    }
    file.write_all(text.as_bytes())
}
