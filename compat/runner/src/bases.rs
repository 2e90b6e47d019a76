//! The base images of cases: made once, and the same ones, to the byte, in docker and in stromatekt.
//!
//! `busybox`, `debian` and its kin are root filesystems of `compat/lab/bases.sh`, which docker imports; `compat/NAME` is built by BuildKit
//! of `compat/bases/NAME`. Each is then saved from docker, and loaded into stromatekt's store from there. What has been made before is
//! kept as long as what it was made of stays the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::fcntl::{Flock, FlockArg};
use stromatekt_oci::{Digest, HashingReader};

use crate::case::Case;
use crate::command;
use crate::docker::Docker;
use crate::error::{Error, Result};
use crate::requirement;

/// What `compat/lab/bases.sh` makes.
const LAB: [&str; 5] = [
    "busybox",
    "debian",
    "debian-gcc",
    "debian-servers",
    "debian-compilers",
];

/// Base images that are ready.
#[derive(Debug)]
pub struct Bases {
    /// Archives by image name, each after those that it is built from.
    pub archives: Vec<(String, PathBuf)>,
}

/// Where bases come from and are kept.
#[derive(Clone, Debug)]
pub struct Places {
    /// Where `compat/lab/bases.sh` left its tars.
    pub lab: PathBuf,
    /// `compat/bases`.
    pub recipes: PathBuf,
}

impl Places {
    fn archive(&self, name: &str) -> PathBuf {
        self.lab
            .join("compat")
            .join(format!("{}.tar", name.replace('/', "-")))
    }
}

/// The names of the bases that cases use, with those that these are built from, each after what it needs.
///
/// # Errors
///
/// A file cannot be read, or bases need each other in a circle.
pub fn needed(cases: &[Case], places: &Places) -> Result<Vec<String>> {
    let recipes = recipes(places)?;
    let known: BTreeSet<&str> = LAB
        .into_iter()
        .chain(recipes.keys().map(String::as_str))
        .collect();
    let mut order = Vec::new();
    let mut pending = BTreeSet::new();
    for case in cases {
        pending.extend(mentioned(&texts(&case.directory)?, &known));
    }
    for name in pending {
        place(&name, &recipes, &known, &mut Vec::new(), &mut order)?;
    }
    Ok(order)
}

/// Makes bases in docker where they are not there, and saves them.
///
/// # Errors
///
/// One cannot be made.
pub fn provide(names: &[String], docker: &Docker, places: &Places) -> Result<Bases> {
    let kept = places.lab.join("compat");
    fs::create_dir_all(&kept).map_err(Error::file("make", &kept))?;
    // Two runs at the same time must not make the same image twice.
    let lock =
        fs::File::create(kept.join("lock")).map_err(Error::file("make", kept.join("lock")))?;
    let _lock = Flock::lock(lock, FlockArg::LockExclusive)
        .map_err(|(_, error)| Error::file("lock", kept.join("lock"))(error.into()))?;
    let mut archives = Vec::new();
    for name in names {
        let id = if LAB.contains(&name.as_str()) {
            imported(name, docker, places)?
        } else {
            built(name, docker, places)?
        };
        let archive = places.archive(name);
        let saved = archive.with_extension("saved");
        if fs::read_to_string(&saved).is_ok_and(|saved| saved == id) && archive.exists() {
            archives.push((name.clone(), archive));
            continue;
        }
        let exchange = docker
            .work()
            .join(format!("compat-base-{}.tar", std::process::id()));
        docker.require(
            [
                Path::new("image"),
                "save".as_ref(),
                "-o".as_ref(),
                &docker.inside(&exchange),
                name.as_ref(),
            ],
            "saves a base image",
        )?;
        move_file(&exchange, &archive)?;
        fs::write(&saved, &id).map_err(Error::file("write", &saved))?;
        archives.push((name.clone(), archive));
    }
    Ok(Bases { archives })
}

impl Bases {
    /// Unpacks the blobs of all archives into a directory.
    ///
    /// # Errors
    ///
    /// An archive cannot be read, or the directory not be written.
    pub fn unpack_blobs(&self, directory: &Path) -> Result<()> {
        fs::create_dir_all(directory).map_err(Error::file("make", directory))?;
        for (_, path) in &self.archives {
            let file = fs::File::open(path).map_err(Error::file("open", path))?;
            let mut archive = tar::Archive::new(file);
            for entry in archive.entries().map_err(Error::file("read", path))? {
                let mut entry = entry.map_err(Error::file("read", path))?;
                let name = entry
                    .path()
                    .map_err(Error::file("read", path))?
                    .into_owned();
                if let Ok(digest) = name.strip_prefix("blobs/sha256")
                    && entry.header().entry_type().is_file()
                {
                    let blob = directory.join(digest);
                    entry.unpack(&blob).map_err(Error::file("write", &blob))?;
                }
            }
        }
        Ok(())
    }
}

/// The folders of `compat/bases`, by the name of the image.
fn recipes(places: &Places) -> Result<BTreeMap<String, PathBuf>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(&places.recipes).map_err(Error::file("read", &places.recipes))? {
        let entry = entry.map_err(Error::file("read", &places.recipes))?;
        found.insert(
            format!("compat/{}", entry.file_name().to_string_lossy()),
            entry.path(),
        );
    }
    Ok(found)
}

/// Puts a base into the order, after what it needs.
fn place(
    name: &str,
    recipes: &BTreeMap<String, PathBuf>,
    known: &BTreeSet<&str>,
    above: &mut Vec<String>,
    order: &mut Vec<String>,
) -> Result<()> {
    if order.iter().any(|placed| placed == name) {
        return Ok(());
    }
    above.push(name.to_owned());
    if above.iter().filter(|one| *one == name).count() > 1 {
        return Err(Error::CircularBases(above.join(", ")));
    }
    if let Some(recipe) = recipes.get(name) {
        for needed in mentioned(&texts(recipe)?, known) {
            if needed != name {
                place(&needed, recipes, known, above, order)?;
            }
        }
    }
    above.pop();
    order.push(name.to_owned());
    Ok(())
}

/// The bases that a text has as words of their own.
fn mentioned(text: &str, known: &BTreeSet<&str>) -> BTreeSet<String> {
    let is_in_name = |c: char| c.is_ascii_alphanumeric() || "-_/.".contains(c);
    text.split(|c| !is_in_name(c))
        // As in `docker-image://debian`.
        .map(|word| word.strip_prefix("//").unwrap_or(word))
        .filter(|word| known.contains(word))
        .map(str::to_owned)
        .collect()
}

/// All small texts of a folder: a Dockerfile may have any name.
fn texts(folder: &Path) -> Result<String> {
    let mut all = String::new();
    for entry in fs::read_dir(folder).map_err(Error::file("read", folder))? {
        let path = entry.map_err(Error::file("read", folder))?.path();
        let found = fs::symlink_metadata(&path).map_err(Error::file("read", &path))?;
        if found.is_dir() {
            all.push_str(&texts(&path)?);
        } else if found.is_file() && found.len() < 256 << 10 {
            all.push_str(&String::from_utf8_lossy(
                &fs::read(&path).map_err(Error::file("read", &path))?,
            ));
        }
        all.push('\n');
    }
    Ok(all)
}

/// Has docker import a root filesystem, unless it has an image of it.
fn imported(name: &str, docker: &Docker, places: &Places) -> Result<String> {
    let tar = places.lab.join(name).with_extension("tar");
    if !tar.exists() {
        let mut make = Command::new(requirement::compat().join("lab/bases.sh"));
        command::require(make.arg(&places.lab).arg(name), "makes a base image")?;
    }
    // The layer of an imported tar is that tar, so its diff_id tells whether the image is of this one.
    let diff_id = digest_of(&tar, places)?;
    let image = docker.attempt([
        "image",
        "inspect",
        name,
        "--format",
        "{{.Id}} {{range .RootFS.Layers}}{{.}}{{end}}",
    ])?;
    if let Some((id, layers)) = image.stdout.trim().split_once(' ')
        && layers == diff_id
    {
        return Ok(id.to_owned());
    }
    let exchange = docker
        .work()
        .join(format!("compat-base-{}.tar", std::process::id()));
    fs::copy(&tar, &exchange).map_err(Error::file("copy", &tar))?;
    let id = docker.require(
        [
            Path::new("import"),
            &docker.inside(&exchange),
            name.as_ref(),
        ],
        "imports a base image",
    )?;
    fs::remove_file(&exchange).map_err(Error::file("remove", &exchange))?;
    Ok(id)
}

/// Has docker build a folder of `compat/bases`, unless it has done so before.
fn built(name: &str, docker: &Docker, places: &Places) -> Result<String> {
    let recipes = recipes(places)?;
    let Some(folder) = recipes.get(name) else {
        return Err(Error::Base {
            name: name.to_owned(),
            hint: "there is no such folder in compat/bases".to_owned(),
        });
    };
    let known: BTreeSet<&str> = LAB
        .into_iter()
        .chain(recipes.keys().map(String::as_str))
        .collect();
    // By whom it is built is a part of it.
    let mut recipe = b"buildkit".to_vec();
    folder_bytes(folder, &mut recipe)?;
    for needed in mentioned(&texts(folder)?, &known) {
        let layers = docker.attempt([
            "image",
            "inspect",
            &needed,
            "--format",
            "{{json .RootFS.Layers}} {{json .Config}}",
        ])?;
        recipe.extend(layers.stdout.into_bytes());
    }
    let recipe = Digest::of(&recipe);
    let record = places.archive(name).with_extension("recipe");
    let image = docker.attempt(["image", "inspect", name, "--format", "{{.Id}}"])?;
    let made = format!("{recipe} {}", image.stdout.trim());
    if image.success && fs::read_to_string(&record).is_ok_and(|record| record == made) {
        return Ok(image.stdout.trim().to_owned());
    }
    let copy = docker
        .work()
        .join(format!("compat-base-{}", std::process::id()));
    crate::private_copy::make(folder, &copy)?;
    let mut build = docker.buildx();
    let exchange = docker
        .work()
        .join(format!("compat-base-{}.tar", std::process::id()));
    build
        .args(["build", "--no-cache", "--provenance=false"])
        .args(["--network=none", "--tag", name])
        .arg(format!(
            "--output=type=docker,dest={}",
            docker.inside(&exchange).display()
        ))
        .arg(docker.inside(&copy));
    let done = command::require(&mut build, "builds a base image of compat/bases");
    fs::remove_dir_all(&copy).map_err(Error::file("remove", &copy))?;
    done?;
    // Loaded from the archive, so that its snapshots are what its layers say: the classic builder leaves mount points in those it makes.
    docker.require(
        [
            Path::new("image"),
            "load".as_ref(),
            "-i".as_ref(),
            &docker.inside(&exchange),
        ],
        "loads a base image",
    )?;
    fs::remove_file(&exchange).map_err(Error::file("remove", &exchange))?;
    let id = docker.require(
        ["image", "inspect", name, "--format", "{{.Id}}"],
        "asks for the base image",
    )?;
    fs::write(&record, format!("{recipe} {id}")).map_err(Error::file("write", &record))?;
    Ok(id)
}

/// The digest of a tar, which is kept beside until it changes.
fn digest_of(tar: &Path, places: &Places) -> Result<String> {
    let found = fs::metadata(tar).map_err(Error::file("read", tar))?;
    let state = format!("{} {}.{}", found.len(), found.mtime(), found.mtime_nsec());
    let name = tar.file_name().unwrap_or_default().to_string_lossy();
    let record = places.lab.join("compat").join(format!("{name}.digest"));
    if let Ok(kept) = fs::read_to_string(&record)
        && let Some(digest) = kept.strip_suffix(&format!(" {state}"))
    {
        return Ok(digest.to_owned());
    }
    let mut file = HashingReader::new(fs::File::open(tar).map_err(Error::file("open", tar))?);
    io::copy(&mut file, &mut io::sink()).map_err(Error::file("read", tar))?;
    let (_, digest, _) = file.finish();
    let digest = digest.to_string();
    fs::write(&record, format!("{digest} {state}")).map_err(Error::file("write", &record))?;
    Ok(digest)
}

/// All that a folder is made of, one after the other.
fn folder_bytes(folder: &Path, all: &mut Vec<u8>) -> Result<()> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::file("read", folder))? {
        names.push(entry.map_err(Error::file("read", folder))?.path());
    }
    names.sort();
    for path in names {
        let found = fs::symlink_metadata(&path).map_err(Error::file("read", &path))?;
        all.extend(path.file_name().unwrap_or_default().as_encoded_bytes());
        all.extend([
            0,
            u8::from(found.is_dir()),
            u8::from(found.permissions().mode() & 0o111 != 0),
        ]);
        if found.is_dir() {
            folder_bytes(&path, all)?;
        } else {
            let content = fs::read(&path).map_err(Error::file("read", &path))?;
            all.extend(content.len().to_le_bytes());
            all.extend(content);
        }
    }
    Ok(())
}

fn move_file(from: &Path, to: &Path) -> Result<()> {
    if fs::rename(from, to).is_ok() {
        return Ok(());
    }
    // Both may be on file systems of their own.
    fs::copy(from, to).map_err(Error::file("copy", from))?;
    fs::remove_file(from).map_err(Error::file("remove", from))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(recipes: &[(&str, &str)]) -> (tempfile::TempDir, Places) {
        let folder = tempfile::tempdir().expect("there is room");
        for (name, dockerfile) in recipes {
            let recipe = folder.path().join("bases").join(name);
            fs::create_dir_all(&recipe).expect("it is writable");
            fs::write(recipe.join("Dockerfile"), dockerfile).expect("it is writable");
        }
        let places = Places {
            lab: folder.path().to_owned(),
            recipes: folder.path().join("bases"),
        };
        (folder, places)
    }

    fn case(folder: &Path, dockerfile: &str) -> Case {
        fs::create_dir_all(folder.join("case")).expect("it is writable");
        fs::write(
            folder.join("case/Dockerfile"),
            format!("# A point.\n{dockerfile}"),
        )
        .expect("it is writable");
        Case::load(&folder.join("case"), "a/b").expect("it is sound")
    }

    #[test]
    fn bases_come_after_what_they_are_built_from() {
        let (folder, places) = places(&[
            ("tools", "FROM debian-gcc AS gcc\nFROM busybox\n"),
            ("more", "FROM compat/tools\n"),
        ]);
        let case = case(folder.path(), "FROM compat/more\n");
        let order = needed(&[case], &places).expect("there is no circle");
        assert_eq!(
            order,
            ["busybox", "debian-gcc", "compat/tools", "compat/more"]
        );
    }

    #[test]
    fn only_whole_words_are_bases() {
        let (folder, places) = places(&[("tools", "FROM busybox\n")]);
        let case = case(
            folder.path(),
            "FROM busybox-musl\nCOPY --from=debian /x /y\nADD xcompat/tools debian-gcc.tar /\n",
        );
        assert_eq!(
            needed(&[case], &places).expect("there is no circle"),
            ["debian"]
        );
    }

    #[test]
    fn a_named_context_mentions_its_base() {
        let (folder, places) = places(&[("tools", "FROM busybox\n")]);
        let case = case(folder.path(), "FROM tools\n");
        let args = "args: [--build-context, 'tools=docker-image://compat/tools']\n";
        fs::write(folder.path().join("case/case.yaml"), args).expect("it is writable");
        assert_eq!(
            needed(&[case], &places).expect("there is no circle"),
            ["busybox", "compat/tools"]
        );
    }

    #[test]
    fn circles_are_refused() {
        let (folder, places) = places(&[("a", "FROM compat/b\n"), ("b", "FROM compat/a\n")]);
        let case = case(folder.path(), "FROM compat/a\n");
        assert!(matches!(
            needed(&[case], &places),
            Err(Error::CircularBases(_))
        ));
    }
}
