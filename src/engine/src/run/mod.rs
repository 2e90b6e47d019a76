//! Processes on trees, through an OCI runtime.
