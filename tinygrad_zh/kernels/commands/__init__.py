"""The commands of `tinygrad-zh kernels`, one a file."""
