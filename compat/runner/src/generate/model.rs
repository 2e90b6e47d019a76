//! A generated case as parts that can be left out one by one, and the case folder that they make.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use super::archives::{Compression, Member};

/// One instruction of a Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// Its first word, in any letters.
    pub keyword: String,
    /// `--name=value`.
    pub flags: Vec<String>,
    /// What stands before the arguments and after them: `[` and `]`, say.
    pub frame: (String, String),
    /// The arguments, as they are written.
    pub arguments: Vec<String>,
    /// What stands between two arguments.
    pub separator: String,
    /// The lines of its heredocs, the last line of each with the word that ends it.
    pub heredocs: Vec<(Vec<String>, String)>,
}

impl Instruction {
    /// An instruction whose arguments stand apart by a space.
    pub fn new<I>(keyword: &str, arguments: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        Self {
            keyword: keyword.to_owned(),
            flags: Vec::new(),
            frame: (String::new(), String::new()),
            arguments: arguments.into_iter().map(Into::into).collect(),
            separator: " ".to_owned(),
            heredocs: Vec::new(),
        }
    }

    /// Commands of a shell, of which each may be left out.
    pub fn run(commands: Vec<String>) -> Self {
        Self {
            separator: "; ".to_owned(),
            ..Self::new("RUN", commands)
        }
    }

    /// An array of JSON; the arguments are its texts, quoted by this.
    pub fn json(keyword: &str, arguments: &[String]) -> Self {
        Self {
            frame: ("[".to_owned(), "]".to_owned()),
            separator: ", ".to_owned(),
            ..Self::new(keyword, arguments.iter().map(|text| quoted(text)))
        }
    }

    /// With one more flag.
    #[must_use]
    pub fn flag(mut self, flag: impl Into<String>) -> Self {
        self.flags.push(flag.into());
        self
    }

    /// Whether it begins a stage.
    #[must_use]
    pub fn is_from(&self) -> bool {
        self.keyword.eq_ignore_ascii_case("from")
    }

    /// How it is written.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = self.keyword.clone();
        for flag in &self.flags {
            text.push(' ');
            text.push_str(flag);
        }
        if !self.arguments.is_empty() || !self.frame.0.is_empty() {
            text.push(' ');
            text.push_str(&self.frame.0);
            text.push_str(&self.arguments.join(&self.separator));
            text.push_str(&self.frame.1);
        }
        text.push('\n');
        for (lines, end) in &self.heredocs {
            for line in lines {
                text.push_str(line);
                text.push('\n');
            }
            text.push_str(end);
            text.push('\n');
        }
        text
    }
}

/// A file of the context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// With this content.
    File(Vec<u8>),
    /// A symbolic link to this.
    Link(String),
    /// A tar.
    Archive(Vec<Member>, Compression),
}

/// What is expected of both builders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Usually an image.
    Image,
    /// A failure: something in it is wrong.
    Failure,
}

/// A case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// The name of its folder.
    pub name: String,
    /// What it is about, in one line.
    pub point: String,
    /// Parser directives, without line ends.
    pub directives: Vec<String>,
    /// The Dockerfile.
    pub instructions: Vec<Instruction>,
    /// Whether its lines end as on Windows.
    pub carriage_returns: bool,
    /// The context.
    pub files: BTreeMap<String, Entry>,
    /// Lines of shell that make what a folder of files cannot hold.
    pub setup: Vec<String>,
    /// Arguments of the build, in groups that only make sense together.
    pub args: Vec<Vec<String>>,
    /// Environment of the build.
    pub env: BTreeMap<String, String>,
    /// What is expected.
    pub outcome: Outcome,
}

impl Case {
    /// With nothing in it.
    #[must_use]
    pub fn new(name: String) -> Self {
        Self {
            name,
            point: String::new(),
            directives: Vec::new(),
            instructions: Vec::new(),
            carriage_returns: false,
            files: BTreeMap::new(),
            setup: Vec::new(),
            args: Vec::new(),
            env: BTreeMap::new(),
            outcome: Outcome::Image,
        }
    }

    /// Adds an instruction.
    pub fn push(&mut self, instruction: Instruction) {
        self.instructions.push(instruction);
    }

    /// Adds a file with this text.
    pub fn file(&mut self, path: &str, text: &str) {
        self.files
            .insert(path.to_owned(), Entry::File(text.as_bytes().to_vec()));
    }

    /// The lines before the first instruction.
    fn head(&self) -> String {
        let mut text = String::new();
        for directive in &self.directives {
            let _ = writeln!(text, "{directive}");
        }
        let _ = writeln!(text, "# {}", self.point);
        text
    }

    /// The Dockerfile.
    #[must_use]
    pub fn dockerfile(&self) -> String {
        let mut text = self.head();
        for instruction in &self.instructions {
            text.push_str(&instruction.text());
        }
        if self.carriage_returns {
            text = text.replace('\n', "\r\n");
        }
        text
    }

    /// The instruction that has this line, counted from 1.
    #[must_use]
    pub fn instruction_at(&self, line: usize) -> Option<usize> {
        let mut end = self.head().matches('\n').count();
        self.instructions.iter().position(|instruction| {
            end += instruction.text().matches('\n').count();
            line <= end
        })
    }

    /// `case.yaml`, where the case needs one. Texts are written as in JSON, which YAML understands.
    #[must_use]
    pub fn yaml(&self) -> String {
        let mut text = "builders: [buildkit]\n".to_owned();
        if !self.args.is_empty() {
            let all: Vec<String> = self.args.iter().flatten().map(|arg| quoted(arg)).collect();
            let _ = writeln!(text, "args: [{}]", all.join(", "));
        }
        if !self.env.is_empty() {
            text.push_str("env:\n");
            for (name, value) in &self.env {
                let _ = writeln!(text, "  {name}: {}", quoted(value));
            }
        }
        if self.outcome == Outcome::Failure {
            text.push_str("fails: true\n");
        }
        let setup = self.all_setup();
        if !setup.is_empty() {
            text.push_str("setup: |\n");
            for line in setup {
                let _ = writeln!(text, "  {line}");
            }
        }
        text
    }

    /// The script that makes the context whole.
    #[must_use]
    pub fn script(&self) -> String {
        self.all_setup().join("\n")
    }

    /// The lines of `setup`, with those that compress the archives.
    fn all_setup(&self) -> Vec<String> {
        let compress = self.files.iter().filter_map(|(path, entry)| match entry {
            Entry::Archive(_, compression) => compression.command(path),
            _ => None,
        });
        compress.chain(self.setup.iter().cloned()).collect()
    }

    /// Writes the case folder.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, folder: &Path) -> std::io::Result<()> {
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join("Dockerfile"), self.dockerfile())?;
        std::fs::write(folder.join("case.yaml"), self.yaml())?;
        for (path, entry) in &self.files {
            let path = folder.join(path);
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            match entry {
                Entry::File(content) => std::fs::write(&path, content)?,
                Entry::Link(target) => std::os::unix::fs::symlink(target, &path)?,
                Entry::Archive(members, _) => {
                    std::fs::write(&path, super::archives::bytes(members)?)?;
                }
            }
        }
        Ok(())
    }
}

/// As a text of JSON.
#[must_use]
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// As one word of a shell.
#[must_use]
pub fn shell_word(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_lead_to_instructions() {
        let mut case = Case::new("x".to_owned());
        case.directives.push("# escape=`".to_owned());
        case.point = "A point.".to_owned();
        case.push(Instruction::new("FROM", ["a"]));
        let mut run = Instruction::new("RUN", ["<<EOF"]);
        run.heredocs
            .push((vec!["one".to_owned()], "EOF".to_owned()));
        case.push(run);
        case.push(Instruction::json(
            "CMD",
            &["q\"".to_owned(), "b".to_owned()],
        ));
        assert_eq!(
            case.dockerfile(),
            "# escape=`\n# A point.\nFROM a\nRUN <<EOF\none\nEOF\nCMD [\"q\\\"\", \"b\"]\n"
        );
        let found: Vec<_> = (3..=8).map(|line| case.instruction_at(line)).collect();
        assert_eq!(found, [Some(0), Some(1), Some(1), Some(1), Some(2), None]);
    }
}
