"""The command nipype-xnat: one module for each of its commands."""
