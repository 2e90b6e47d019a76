//! Which line of the Dockerfile an error message blames.
//!
//! BuildKit shows the instruction, each of its lines marked `>>>`; where it could not fetch something, the step's name alone. stromatekt does the same for a step that failed, and names the line in
//! `[Dockerfile:3:1]` above the excerpt for all else. The classic builder names a line only where it cannot parse; of all else the last
//! `Step 2/3 : …` tells which instruction it was.

use std::ops::RangeInclusive;

use stromatekt_dockerfile_parser as parser;

/// Lines, counted from 1.
pub type Lines = RangeInclusive<u32>;

/// Whether two messages may mean the same: one blames a word, the other the whole instruction.
#[must_use]
pub fn overlap(left: &Lines, right: &Lines) -> bool {
    left.start() <= right.end() && right.start() <= left.end()
}

/// The lines for people: `3`, or `3 to 5`.
#[must_use]
pub fn show(lines: Option<&Lines>) -> String {
    match lines {
        None => "no line".to_owned(),
        Some(lines) if lines.start() == lines.end() => format!("line {}", lines.start()),
        Some(lines) => format!("lines {} to {}", lines.start(), lines.end()),
    }
}

/// What BuildKit blames.
#[must_use]
pub fn buildkit(output: &str) -> Option<Lines> {
    marked(output)
}

/// What BuildKit blames where it names a step alone: the only instruction with the keyword of that.
#[must_use]
pub fn buildkit_step(output: &str, dockerfile: &str) -> Option<Lines> {
    only_instruction_like(failed_step(output)?, dockerfile)
}

/// What stromatekt blames.
#[must_use]
pub fn stromatekt(output: &str) -> Option<Lines> {
    marked(output).or_else(|| {
        output.lines().rev().find_map(|line| {
            let place = line.trim_start().strip_prefix(",-[")?.strip_suffix(']')?;
            let mut fields = place.rsplitn(3, ':');
            let (_column, line) = (fields.next()?, fields.next()?);
            let line = line.parse().ok()?;
            Some(line..=line)
        })
    })
}

/// What the classic builder blames.
#[must_use]
pub fn classic(output: &str, dockerfile: &str) -> Option<Lines> {
    let parse_error = output.lines().find_map(|line| {
        let (_, rest) = line
            .split_once("parse error on line ")
            .or_else(|| line.split_once("parse error line "))?;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u32>().ok()
    });
    if let Some(line) = parse_error {
        return Some(line..=line);
    }
    let step = output.lines().rev().find_map(|line| {
        let (number, _) = line.strip_prefix("Step ")?.split_once('/')?;
        number.parse::<usize>().ok()
    })?;
    nth_instruction(dockerfile, step)
}

/// The lines that are marked `3 | >>> RUN …`.
fn marked(output: &str) -> Option<Lines> {
    let mut lines = output.lines().filter_map(|line| {
        let (number, rest) = line.split_once('|')?;
        rest.starts_with(" >>>")
            .then(|| number.trim().parse::<u32>().ok())?
    });
    let first = lines.next()?;
    Some(first..=lines.next_back().unwrap_or(first))
}

/// The keyword of the step whose output is shown in the end: ` > [2/2] ADD http://…:`.
fn failed_step(output: &str) -> Option<&str> {
    let name = output
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix(" > ["))?;
    name.split_once("] ")?.1.split_whitespace().next()
}

/// The lines of the only instruction with a keyword.
fn only_instruction_like(keyword: &str, dockerfile: &str) -> Option<Lines> {
    let dockerfile = parser::parse(dockerfile).ok()?;
    let mut like = dockerfile
        .stages
        .iter()
        .flat_map(|stage| &stage.instructions)
        .filter(|one| one.keyword.eq_ignore_ascii_case(keyword));
    match (like.next(), like.next()) {
        (Some(one), None) => {
            let (first, last) = dockerfile.lines(one.span);
            Some(first..=last)
        }
        _ => None,
    }
}

fn nth_instruction(dockerfile: &str, step: usize) -> Option<Lines> {
    let dockerfile = parser::parse(dockerfile).ok()?;
    let spans =
        dockerfile
            .global_args
            .iter()
            .map(|arg| arg.span)
            .chain(dockerfile.stages.iter().flat_map(|stage| {
                std::iter::once(stage.from.span)
                    .chain(stage.instructions.iter().map(|one| one.span))
            }));
    let (first, last) = dockerfile.lines(spans.into_iter().nth(step.checked_sub(1)?)?);
    Some(first..=last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buildkit_marks_all_lines_of_the_instruction() {
        let output = "#5 0.059 9 | not this\nDockerfile:3\n--------------------\n   2 |     \n   3 | >>> RUN echo hi && \\\n   4 | >>>   exit 3\n   5 |     \n--------------------\nERROR: failed\n";
        assert_eq!(buildkit(output), Some(3..=4));
        assert_eq!(
            buildkit("ERROR: target stage \"x\" could not be found\n"),
            None
        );
    }

    #[test]
    fn what_buildkit_could_not_fetch_is_known_by_its_step() {
        let output = "#5 ERROR: invalid response status 404\n------\n > [2/2] ADD http://a/b /x/:\n------\nERROR: failed\n";
        let one = "FROM a\nARG S\nADD $S/b \\\n  /x/\nRUN b\n";
        assert_eq!(buildkit_step(output, one), Some(3..=4));
        let two = "FROM a\nADD c /\nADD d /\n";
        assert_eq!(buildkit_step(output, two), None);
    }

    #[test]
    fn stromatekt_names_a_place_or_marks_the_instruction() {
        let named = "  x COPY has no flag --chwon\n   ,-[sub/Docker:file:12:6]\n 12 | COPY --chwon=1:1 a /\n   `----\n";
        assert_eq!(stromatekt(named), Some(12..=12));
        let marked =
            "Dockerfile:3\n   3 | >>> RUN echo hi && \\\n     |     ^^^^^\n   4 | >>>   exit 3\n";
        assert_eq!(stromatekt(marked), Some(3..=4));
        assert_eq!(stromatekt("  x no such directory\n"), None);
    }

    #[test]
    fn the_classic_builder_counts_steps() {
        let dockerfile = "# c\nARG A=1\n\nFROM busybox\nRUN a && \\\n  b\nENV x=1\n";
        for (output, expected) in [
            (
                "Step 1/4 : ARG A=1\nStep 3/4 : RUN a &&   b\n ---> Running in 1\nnope\n",
                Some(5..=6),
            ),
            ("Step 2/4 : FROM busybox\n", Some(4..=4)),
            (
                "Error response from daemon: dockerfile parse error on line 7: unknown instruction: FOO\n",
                Some(7..=7),
            ),
            ("Step 9/9 : RUN x\n", None),
            ("unable to prepare context\n", None),
        ] {
            assert_eq!(classic(output, dockerfile), expected, "{output}");
        }
    }

    #[test]
    fn a_word_and_its_instruction_blame_the_same() {
        assert!(overlap(&(3..=5), &(4..=4)));
        assert!(!overlap(&(3..=5), &(6..=6)));
    }
}
