//! Asking whoever sits at the terminal: whether something is meant, and for a password, which is not shown.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Stdin, Write as _};

use patron::password::{LENGTH_MAX, LENGTH_MIN, Password};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::config::Secret;
use crate::refusal::Refusal;

/// The most bytes of an answer: a password in characters of four bytes, and the end of its line.
const ANSWER_LENGTH_MAX: u64 = 1_026;

/// Whether there is somebody to ask.
pub(crate) fn is_there() -> bool {
    io::stdin().is_terminal()
}

/// Asks whether this is meant; only `yes` is.
pub(crate) fn confirm(question: &str) -> Result<bool, Refusal> {
    ask(&format!("{question} Type yes to go on: ")).map_err(|error| unread(&error))?;
    let answer = read_line().map_err(|error| unread(&error))?;
    Ok(answer.trim() == "yes")
}

/// Asks for a password that is to be set, twice, so that it is not mistyped.
pub(crate) fn new_password() -> Result<Secret, Refusal> {
    if !is_there() {
        return Err(Refusal::configuration(
            "there is no terminal to ask for a password at: give it with --password-stdin",
        ));
    }
    let first = checked(&unseen("Password: ")?)?;
    if unseen("The same again: ")?.as_str() != first.expose() {
        return Err(Refusal::configuration("the two passwords are not the same: try again"));
    }
    Ok(first)
}

/// The password in the first line of what comes in.
pub(crate) fn password_from_stdin() -> Result<Secret, Refusal> {
    checked(&read_line().map_err(|error| unread(&error))?)
}

fn checked(text: &str) -> Result<Secret, Refusal> {
    match Password::chosen(text) {
        Some(_) => Ok(Secret::new(text.to_owned())),
        None => Err(Refusal::configuration(format!(
            "a password has {LENGTH_MIN} to {LENGTH_MAX} characters: choose another"
        ))),
    }
}

/// Asks for something that the terminal does not show.
fn unseen(prompt: &str) -> Result<Zeroizing<String>, Refusal> {
    let hidden = Hidden::begin(io::stdin()).map_err(|error| unread(&error))?;
    let answer = ask(prompt).and_then(|()| read_line());
    drop(hidden);
    answer.map_err(|error| unread(&error))
}

fn ask(prompt: &str) -> io::Result<()> {
    let mut stderr = io::stderr().lock();
    stderr.write_all(prompt.as_bytes())?;
    stderr.flush()
}

/// The next line of what comes in, without its end.
fn read_line() -> io::Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(String::with_capacity(1_026));
    io::stdin().lock().take(ANSWER_LENGTH_MAX).read_line(&mut line)?;
    let length = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(length);
    Ok(line)
}

fn unread(error: &io::Error) -> Refusal {
    Refusal::failure(format!("the answer cannot be read ({error}): look at what stdin is"))
}

/// A terminal that does not show what is typed, until this is dropped.
struct Hidden {
    terminal: Stdin,
    before: Termios,
}

impl Hidden {
    fn begin(terminal: Stdin) -> io::Result<Self> {
        let before = tcgetattr(&terminal)?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        // The end of the line is seen.
        hidden.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(&terminal, OptionalActions::Flush, &hidden)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // There is nothing else to be done for a terminal that is gone.
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}
