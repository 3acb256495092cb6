//! The `bmt` command; see the library for the code.

fn main() -> std::process::ExitCode {
    bmt::cli::main().into()
}
