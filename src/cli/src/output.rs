//! Standard output of the verbs that print: one that nobody reads any more is no error to shout about.

use std::io::{self, Write};
use std::path::PathBuf;

use crate::error::{Error, Result};

/// Prints text, which brings its own line ends.
///
/// # Errors
/// [`Error::BrokenPipe`] when the reader went away, which is not reported; or what else the kernel says.
pub fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|source| match source.kind() {
            io::ErrorKind::BrokenPipe => Error::BrokenPipe,
            _ => Error::File {
                action: "write to",
                path: PathBuf::from("standard output"),
                source,
            },
        })
}

/// Rows as columns, each as wide as its widest cell, with docker's three spaces between them.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&format!("{cell:width$}   "));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        assert_eq!(
            table(&[row(["A", "B"]), row(["long", "x"])]),
            "A      B\nlong   x\n"
        );
    }
}
