//! Any text as a Dockerfile: every place that is told is a place in it, and what parses can be lowered or is an error.

#![no_main]

use libfuzzer_sys::fuzz_target;
use stromatekt_dockerfile::{ImageConfigs, Lowering, Options, lower};
use stromatekt_dockerfile_parser::{Kind, Span, parse, parse_instruction};
use stromatekt_oci::ImageConfig;

/// Rounds of lowering, each of which may ask for further images: triggers bring none here.
const ROUNDS: usize = 2;

fn check(text: &str, span: Span) {
    assert!(span.start <= span.end, "{span:?}");
    assert!(text.get(span.start..span.end).is_some(), "{span:?}");
}

fuzz_target!(|text: &str| {
    if let Err(error) = parse_instruction(text) {
        check(text, error.span);
    }
    let dockerfile = match parse(text) {
        Ok(dockerfile) => dockerfile,
        Err(error) => {
            check(text, error.span);
            assert!(!error.to_string().is_empty());
            let _ = error.help();
            return;
        }
    };
    let mut last = 0;
    let stages = dockerfile.stages.iter().flat_map(|stage| {
        check(text, stage.from.base.span);
        std::iter::once(stage.from.span).chain(stage.instructions.iter().map(|each| each.span))
    });
    for span in dockerfile
        .global_args
        .iter()
        .map(|arg| arg.span)
        .chain(stages)
    {
        check(text, span);
        assert!(span.start >= last, "instructions come in their order");
        last = span.end;
        let (first, last) = dockerfile.lines(span);
        assert!(1 <= first && first <= last);
    }
    for warning in &dockerfile.warnings {
        check(text, warning.span);
    }
    // What an image keeps of a trigger is read again when it is a base.
    for instruction in dockerfile
        .stages
        .iter()
        .flat_map(|stage| &stage.instructions)
    {
        if let Kind::OnBuild(onbuild) = &instruction.kind {
            let _ = parse_instruction(&onbuild.trigger);
        }
    }
    let options = Options::default();
    let mut configs = ImageConfigs::new();
    for _ in 0..ROUNDS {
        match lower(&dockerfile, "Dockerfile", &options, &configs) {
            Ok(Lowering::Done(_)) => return,
            Ok(Lowering::NeedsImages(requests)) => {
                assert!(!requests.is_empty());
                for request in requests {
                    check(text, request.span);
                    configs.insert((request.location, request.platform), ImageConfig::default());
                }
            }
            Err(error) => {
                assert!(!error.to_string().is_empty());
                return;
            }
        }
    }
    panic!("images are asked for that were given");
});
