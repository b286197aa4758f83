//! Asking instances how they are: once, for all runtimes.
