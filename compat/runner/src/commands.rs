//! The subcommands, a file each.

pub mod fuzz;
pub mod generate;
pub mod run;
