//! `rights`: what can be done with a descriptor. They are told, and say what a path is opened for; none is taken away.
//!
//! Libraries go by them: what they ask for when they open something is what its directory was told to pass on, and what opens a
//! directory asks for what that has itself. So a directory must not have the rights of files.

/// `fd_read`
pub const READ: u64 = 1 << 1;
/// `fd_write`
pub const WRITE: u64 = 1 << 6;
/// `fd_readdir`
pub const READ_DIRECTORY: u64 = 1 << 14;

/// What a file is opened for writing for: also `fd_allocate` and `fd_filestat_set_size`.
pub const WRITES: u64 = WRITE | 1 << 8 | 1 << 22;

/// What streams have: `fd_datasync`, `fd_fdstat_set_flags`, `fd_sync`, `fd_filestat_get`, `poll_fd_readwrite`. Not `fd_seek` and
/// `fd_tell`, which tells them from files.
pub const STREAM: u64 = 1 | 1 << 3 | 1 << 4 | 1 << 21 | 1 << 27;

/// What files have besides: `fd_seek`, `fd_tell`, `fd_advise`, `fd_filestat_set_times`.
pub const FILE: u64 = STREAM | READ | WRITES | 1 << 2 | 1 << 5 | 1 << 7 | 1 << 23;

/// What directories have: all of `path_*` (9 to 20, 24 to 26) but `path_filestat_set_size`, which is there to be taken away;
/// `fd_fdstat_set_flags`, `fd_sync`, `fd_readdir`, `fd_filestat_get` and `fd_filestat_set_times`.
pub const DIRECTORY: u64 =
    0b111 << 24 | 1 << 23 | 1 << 21 | (0b1111_1111_1111 << 9) & !(1 << 19) | 1 << 4 | 1 << 3;
