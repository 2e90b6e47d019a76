//! The Dockerfile language: a text as stages of typed instructions, with its place on everything. No I/O.
//!
//! It accepts and refuses what BuildKit's own frontend does. Nothing is expanded while parsing: that needs values, which are given
//! to an [`Expander`] when an instruction is carried out.
//!
//! - [`parse`]: a whole text as a [`Dockerfile`]: directives, global args, [`Stage`]s
//! - [`Instruction`]: one instruction; its [`Kind`] has what it was given
//! - [`Expander`]: `$name` and `${name…}` in words and here-documents
//! - [`csv`]: the fields of `--mount`
//! - [`boolean`](boolean()): true and false as Go reads them
//! - [`duration`]: times as Go writes them
//! - [`Span`]: a place in the text; [`Dockerfile::lines`] tells its lines
//! - [`Error`]: the place, what is wrong there, and what would be right
//!
//! Inside, the text goes one way: `scan` joins lines and attaches here-documents, `split` takes keyword and flags off, `read` and its
//! siblings make an instruction of the rest, `stages` puts them into their order.
//!
//! ```
//! let dockerfile = stromatekt_dockerfile_parser::parse("FROM debian:12 AS build\nRUN make \\\n  all\n")?;
//! let stage = &dockerfile.stages[0];
//! assert_eq!(stage.from.base.value, "debian:12");
//! assert_eq!(stage.instructions[0].text, "RUN make   all");
//! assert_eq!(dockerfile.lines(stage.instructions[0].span), (2, 3));
//! # Ok::<(), stromatekt_dockerfile_parser::Error>(())
//! ```

mod arguments;
mod boolean;
mod comments;
pub mod csv;
mod directives;
pub mod duration;
mod error;
mod flags;
mod heredoc;
mod instruction;
mod json;
mod line;
mod line_index;
mod nearest;
mod pattern;
mod read;
mod read_copy;
mod read_healthcheck;
mod read_run;
mod scan;
mod span;
mod split;
mod stages;
mod warning;
mod word_error;
mod words;

pub use boolean::boolean;
pub use comments::Comments;
pub use directives::{Directives, Escape};
pub use error::{Error, Problem};
pub use heredoc::Heredoc;
pub use instruction::{
    Add, Arg, CommandLine, Copy, Device, Document, From, Healthcheck, Instruction, Kind, Mount,
    Network, OnBuild, Pair, Run, Security, Transfer,
};
pub use nearest::{distance, nearest};
pub use span::{Span, Spanned, Word};
pub use stages::{Dockerfile, Stage, parse, parse_instruction, parse_sound_part};
pub use warning::{Warning, WarningKind};
pub use word_error::WordError;
pub use words::{Expander, Variables};
