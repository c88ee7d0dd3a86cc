//! How often a loop goes round: as often as every run can wait for, or for the long run.

/// What `./test --long` sets to `1`.
const LONG: &str = "PATRON_TEST_LONG";

/// Which of the two: `long` in a run of `./test --long`.
#[expect(clippy::disallowed_methods, reason = "the one setting of the tests comes from ./test")]
pub fn rounds(short: usize, long: usize) -> usize {
    if std::env::var_os(LONG).is_some_and(|value| value == "1") { long } else { short }
}
