//! File operations on trees: selecting, digesting and copying files.
