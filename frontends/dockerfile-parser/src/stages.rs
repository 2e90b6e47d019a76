//! The whole text: directives, args before the first FROM, stages.

use crate::directives::{Directives, detect};
use crate::error::{Error, Problem};
use crate::instruction::{From, Instruction, Kind};
use crate::line_index::LineIndex;
use crate::read::{Read, read};
use crate::scan::{Raw, Scanner};
use crate::span::Span;
use crate::warning::Warning;

/// A Dockerfile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dockerfile {
    /// The text that all spans are ranges of.
    pub text: String,
    /// Its directives.
    pub directives: Directives,
    /// The ARGs before the first FROM.
    pub global_args: Vec<Instruction>,
    /// The stages; at least one.
    pub stages: Vec<Stage>,
    /// What should be written otherwise.
    pub warnings: Vec<Warning>,
    lines: LineIndex,
}

/// A stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Its first line.
    pub from: From,
    /// What follows.
    pub instructions: Vec<Instruction>,
}

impl Dockerfile {
    /// The first and the last line of a span, counted from 1.
    #[must_use]
    pub fn lines(&self, span: Span) -> (u32, u32) {
        self.lines.lines(span)
    }
}

/// Reads a Dockerfile.
///
/// # Errors
/// When docker would refuse it, too, whatever it was built with. What depends on the values of variables is not looked at.
pub fn parse(text: &str) -> Result<Dockerfile, Error> {
    let mut scanner = Scanner::new(text);
    let mut read = Instructions::default();
    while let Some(raw) = scanner.instruction()? {
        read.add(&raw)?;
    }
    let nothing = match (read.stages.is_empty(), read.global_args.is_empty()) {
        (false, _) => None,
        (true, true) => Some(Problem::NoInstruction),
        (true, false) => Some(Problem::NoStage),
    };
    match nothing {
        Some(problem) => Err(problem.at(Span::at(text.len()))),
        None => Ok(read.dockerfile(scanner, text)),
    }
}

/// What comes before the first instruction of a text that cannot be understood; stages may be missing. Nothing where it is not even
/// known where instructions start and end.
#[must_use]
pub fn parse_sound_part(text: &str) -> Option<Dockerfile> {
    let mut scanner = Scanner::new(text);
    let mut read = Instructions::default();
    let mut is_sound = true;
    while let Some(raw) = scanner.instruction().ok()? {
        is_sound = is_sound && read.add(&raw).is_ok();
    }
    Some(read.dockerfile(scanner, text))
}

/// The instructions of a text.
#[derive(Default)]
struct Instructions {
    global_args: Vec<Instruction>,
    stages: Vec<Stage>,
}

impl Instructions {
    fn add(&mut self, raw: &Raw) -> Result<(), Error> {
        match (read(raw)?, self.stages.last_mut()) {
            (Read::From(from), _) => self.stages.push(Stage {
                from,
                instructions: Vec::new(),
            }),
            (Read::Instruction(instruction), Some(stage)) => stage.instructions.push(instruction),
            (Read::Instruction(instruction), None) if matches!(instruction.kind, Kind::Arg(_)) => {
                self.global_args.push(instruction);
            }
            (Read::Instruction(instruction), None) => {
                return Err(Problem::BeforeFrom {
                    instruction: instruction.kind.keyword().to_owned(),
                }
                .at(raw.split.keyword.span));
            }
        }
        Ok(())
    }

    fn dockerfile(self, scanner: Scanner<'_>, text: &str) -> Dockerfile {
        let mut directives = detect(text);
        directives.escape = scanner.escape();
        Dockerfile {
            lines: LineIndex::new(text),
            text: text.to_owned(),
            directives,
            global_args: self.global_args,
            stages: self.stages,
            warnings: scanner.warnings,
        }
    }
}

/// Reads a text that is a single instruction, as triggers of images are.
///
/// # Errors
/// When it is not one that can follow a FROM.
pub fn parse_instruction(text: &str) -> Result<Instruction, Error> {
    let mut scanner = Scanner::new(text);
    let one_alone = |span| Problem::NotOneInstruction.at(span);
    let Some(raw) = scanner.instruction()? else {
        return Err(one_alone(Span::at(0)));
    };
    if let Some(next) = scanner.instruction()? {
        return Err(one_alone(next.span));
    }
    match read(&raw)? {
        Read::Instruction(instruction) => Ok(instruction),
        Read::From(from) => Err(Problem::Trigger {
            instruction: "FROM".to_owned(),
        }
        .at(from.span)),
    }
}
