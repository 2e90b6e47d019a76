//! The whole text: directives, args before the first FROM, stages.

use crate::directives::{Directives, detect};
use crate::error::{Error, Problem};
use crate::instruction::{From, Instruction, Kind};
use crate::line_index::LineIndex;
use crate::read::{Read, read};
use crate::scan::Scanner;
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
    let mut directives = detect(text);
    let mut scanner = Scanner::new(text);
    let mut global_args = Vec::new();
    let mut stages: Vec<Stage> = Vec::new();
    while let Some(raw) = scanner.instruction()? {
        match (read(&raw)?, stages.last_mut()) {
            (Read::From(from), _) => stages.push(Stage {
                from,
                instructions: Vec::new(),
            }),
            (Read::Instruction(instruction), Some(stage)) => stage.instructions.push(instruction),
            (Read::Instruction(instruction), None) if matches!(instruction.kind, Kind::Arg(_)) => {
                global_args.push(instruction);
            }
            (Read::Instruction(instruction), None) => {
                return Err(Problem::BeforeFrom {
                    instruction: instruction.kind.keyword().to_owned(),
                }
                .at(raw.split.keyword.span));
            }
        }
    }
    directives.escape = scanner.escape();
    let nothing = match (stages.is_empty(), global_args.is_empty()) {
        (false, _) => None,
        (true, true) => Some(Problem::NoInstruction),
        (true, false) => Some(Problem::NoStage),
    };
    if let Some(problem) = nothing {
        return Err(problem.at(Span::at(text.len())));
    }
    Ok(Dockerfile {
        lines: LineIndex::new(text),
        text: text.to_owned(),
        directives,
        global_args,
        stages,
        warnings: scanner.warnings,
    })
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
