//! Runs the process of a step in an OCI runtime.
