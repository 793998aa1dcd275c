//! Black-box tests of the binary and of the shape of the workspace.

mod architecture;
