//! Send streams that no kernel would write: commands about paths that stay in the subvolume, or errors.

use std::path::{Component, Path};

use proptest::prelude::*;
use stromatekt_kernel::send_stream::{Command, Reader, StreamError};

/// The attributes that are paths.
const PATHS: [u16; 3] = [15, 16, 17];

fn stream(version: u8, commands: &[u8]) -> Vec<u8> {
    [&b"btrfs-stream\0"[..], &[version, 0, 0, 0], commands].concat()
}

fn command(number: u16, attributes: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut data = Vec::new();
    for (number, value) in attributes {
        data.extend(number.to_le_bytes());
        data.extend((value.len() as u16).to_le_bytes());
        data.extend(value);
    }
    let mut command = (data.len() as u32).to_le_bytes().to_vec();
    command.extend(number.to_le_bytes());
    command.extend([0; 4]);
    command.extend(data);
    command
}

fn paths(command: &Command) -> Vec<&Path> {
    match command {
        Command::MakeDirectory { path }
        | Command::Make { path }
        | Command::Remove { path }
        | Command::Data { path }
        | Command::Metadata { path } => vec![path],
        Command::Rename { from, to } => vec![from, to],
        Command::Link { existing, path } => vec![existing, path],
    }
}

#[test]
fn a_length_that_is_not_there_costs_no_memory() {
    let mut long = command(4, &[]);
    long[..4].copy_from_slice(&u32::MAX.to_le_bytes());
    let stream = stream(1, &long);
    let mut reader = Reader::new(&stream[..]).unwrap();
    assert!(matches!(
        reader.next_command(),
        Err(StreamError::Malformed(_))
    ));
}

proptest! {
    #[test]
    fn any_bytes_are_commands_or_an_error(version in 0u8..5, data in prop::collection::vec(any::<u8>(), 0..64)) {
        let stream = stream(version, &data);
        if let Ok(mut reader) = Reader::new(&stream[..]) {
            while let Ok(Some(_)) = reader.next_command() {}
        }
    }

    #[test]
    fn no_path_leads_out(commands in prop::collection::vec((1u16..28, prop::collection::vec((0usize..3, "(\\.|\\.\\.|a|\0|/){0,6}"), 0..4)), 1..6)) {
        let commands: Vec<u8> = commands
            .into_iter()
            .flat_map(|(number, attributes)| {
                let attributes: Vec<_> = attributes.into_iter().map(|(kind, path)| (PATHS[kind], path.into_bytes())).collect();
                command(number, &attributes)
            })
            .collect();
        let stream = stream(1, &commands);
        let mut reader = Reader::new(&stream[..]).unwrap();
        while let Ok(Some(command)) = reader.next_command() {
            for path in paths(&command) {
                let is_inside = path.components().all(|part| matches!(part, Component::Normal(_)));
                prop_assert!(is_inside, "{:?}", path);
            }
        }
    }
}
