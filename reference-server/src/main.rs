//! The `hotchat` binary; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    hotchat::main()
}
