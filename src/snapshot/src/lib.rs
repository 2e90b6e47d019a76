//! Keeps trees as snapshots.
