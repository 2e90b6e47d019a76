//! Which line of a Dockerfile a failed build blames, by what the builder wrote.

use crate::error::DockerfileText;

/// The line, counted from 1; nothing where none is told.
pub fn line(log: &str, dockerfile: Option<&DockerfileText>) -> Option<u32> {
    marked(log)
        .or_else(|| located(log))
        .or_else(|| told(log))
        .or_else(|| step(log, dockerfile?))
}

/// BuildKit and stromatekt show an excerpt: `   3 | >>> RUN false`.
fn marked(log: &str) -> Option<u32> {
    log.lines().find_map(|line| {
        let (number, rest) = line.split_once('|')?;
        rest.trim_start().starts_with(">>>").then_some(())?;
        number.trim().parse().ok()
    })
}

/// stromatekt shows a mistake in the text with its place: `,-[Dockerfile:2:6]`.
fn located(log: &str) -> Option<u32> {
    log.lines().find_map(|line| {
        let place = line.trim_end().strip_suffix(']')?;
        let (before, place) = place.rsplit_once('[')?;
        let before = before.trim();
        (before == ",-" || before == "╭─").then_some(())?;
        let mut parts = place.rsplit(':');
        parts.next()?.parse::<u32>().ok()?;
        parts.next()?.parse().ok()
    })
}

/// Parsers say it: `dockerfile parse error on line 2: …`, `… parse error line 2: …`.
fn told(log: &str) -> Option<u32> {
    log.lines().find_map(|text| {
        let (_, rest) = text.split_once("parse error ")?;
        let (_, rest) = rest.split_once("line ")?;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    })
}

/// The classic builder and buildah count instructions: `Step 3/5 : RUN false`, `STEP 3/5: RUN false`; with several stages, buildah
/// counts those of each: `[2/2] STEP 2/3: RUN false`.
fn step(log: &str, text: &DockerfileText) -> Option<u32> {
    let last = log.lines().rev().find_map(|line| {
        let (before, rest) = line
            .split_once("STEP ")
            .or_else(|| line.split_once("Step "))?;
        let before = before.trim();
        let stage = before
            .strip_prefix('[')
            .and_then(|stage| stage.split_once('/'))
            .and_then(|(stage, _)| stage.parse::<usize>().ok());
        if !before.is_empty() && stage.is_none() {
            return None;
        }
        let (number, _) = rest.split_once('/')?;
        Some((stage, number.trim().parse::<usize>().ok()?))
    });
    let (stage, number) = last?;
    let dockerfile = text.parse().ok()?;
    let stages = dockerfile.stages.iter().map(|stage| {
        let instructions = stage
            .instructions
            .iter()
            .map(|instruction| instruction.span);
        std::iter::once(stage.from.span)
            .chain(instructions)
            .collect::<Vec<_>>()
    });
    let stages: Vec<_> = stages.collect();
    let at = number.checked_sub(1)?;
    let span = match stage {
        Some(stage) => stages.get(stage.checked_sub(1)?)?.get(at).copied()?,
        None => {
            let global = dockerfile.global_args.iter().map(|arg| arg.span);
            global.chain(stages.into_iter().flatten()).nth(at)?
        }
    };
    Some(dockerfile.lines(span).0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_builder_blames_a_line_in_its_own_way() {
        let text = DockerfileText {
            name: "Dockerfile".into(),
            text: "ARG A\nFROM a AS x\nRUN one\\\n two\n\nFROM b\nRUN three\nRUN false\n".into(),
        };
        for (log, expected) in [
            (
                "Dockerfile:3\n----\n   2 |     FROM a\n   3 | >>> RUN false\n",
                3,
            ),
            (" x unknown instruction: RUM\n  ,-[Dockerfile:2:1]\n", 2),
            (
                "Error response from daemon: dockerfile parse error on line 4: unknown instruction",
                4,
            ),
            (
                "Step 1/6 : ARG A\nStep 6/6 : RUN false\n ---> Running in 1\n",
                8,
            ),
            ("STEP 3/6: RUN one\nerror\n", 3),
            (
                "[1/2] STEP 1/2: FROM a\n[2/2] STEP 3/3: RUN false\nfailed",
                8,
            ),
        ] {
            assert_eq!(line(log, Some(&text)), Some(expected), "{log}");
        }
        assert_eq!(line("it failed", Some(&text)), None);
        assert_eq!(line("Step 3/6 : RUN", None), None);
    }
}
