//! The program `patron`.

fn main() {}
