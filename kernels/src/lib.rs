//! Kernels of Hornpipe.
