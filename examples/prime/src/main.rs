//! Writes files with prime numbers: a small program for the examples to run.
//!
//!     prime up-to LIMIT OUTPUT     the primes up to LIMIT, one a line
//!     prime twins INPUT OUTPUT     of the primes in INPUT, the pairs that differ by two

use std::fmt::Write as _;
use std::process::ExitCode;
use std::{env, fs, io};

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["up-to", limit, output] => up_to(limit).and_then(|text| write(output, &text)),
        ["twins", input, output] => twins(input).and_then(|text| write(output, &text)),
        _ => Err("usage: prime up-to LIMIT OUTPUT, or prime twins INPUT OUTPUT".to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("prime: {message}");
            ExitCode::FAILURE
        }
    }
}

fn up_to(limit: &str) -> Result<String, String> {
    let limit: u32 = limit
        .parse()
        .map_err(|error| format!("`{limit}` is no limit: {error}"))?;
    let mut text = String::new();
    for prime in primes(limit as usize) {
        let _ = writeln!(text, "{prime}");
    }
    Ok(text)
}

/// The sieve of Eratosthenes.
fn primes(limit: usize) -> Vec<usize> {
    let mut is_prime = vec![true; limit + 1];
    let mut primes = Vec::new();
    for number in 2..=limit {
        if is_prime[number] {
            primes.push(number);
            let mut multiple = number * number;
            while multiple <= limit {
                is_prime[multiple] = false;
                multiple += number;
            }
        }
    }
    primes
}

fn twins(input: &str) -> Result<String, String> {
    let text = fs::read_to_string(input).map_err(|error| failed("read", input, &error))?;
    let number = |line: &str| -> Result<u64, String> {
        let read = line.parse();
        read.map_err(|error| format!("`{line}` in {input} is no number: {error}"))
    };
    let numbers: Vec<u64> = text.lines().map(number).collect::<Result<_, _>>()?;
    let mut pairs = String::new();
    for pair in numbers
        .windows(2)
        .filter(|pair| pair[0].checked_add(2) == Some(pair[1]))
    {
        let _ = writeln!(pairs, "{} {}", pair[0], pair[1]);
    }
    Ok(pairs)
}

fn write(output: &str, text: &str) -> Result<(), String> {
    fs::write(output, text).map_err(|error| failed("write", output, &error))
}

fn failed(what: &str, path: &str, error: &io::Error) -> String {
    format!("cannot {what} {path}: {error}")
}
