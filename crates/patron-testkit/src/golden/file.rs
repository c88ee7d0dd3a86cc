//! Reading a golden file into steps.

use super::expectation::Expectation;

/// A golden file, read.
pub(super) struct Golden {
    pub(super) page: String,
    pub(super) row: String,
    /// Further arguments of `patron serve`.
    pub(super) server: Vec<String>,
    pub(super) steps: Vec<Step>,
}

/// One thing that happens, or is expected.
pub(super) enum Step {
    /// A management command, and what it reads; its JSON can be captured.
    Manage { words: Vec<String>, input: String, name: Option<String> },
    /// A request that must succeed; its answer is captured.
    Given { name: String, request: String },
    /// The request that the file is about.
    When { request: String },
    /// The answer to the last `when`.
    Then { expectation: Expectation },
}

impl Golden {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut sections = text.split("\n=== ");
        let comments = sections.next().unwrap_or_default();
        let mut golden = Self {
            page: said(comments, "page")?,
            row: said(comments, "row")?,
            server: Vec::new(),
            steps: Vec::new(),
        };
        for section in sections {
            let (title, rest) = section.split_once('\n').unwrap_or((section, ""));
            golden.add(title, rest)?;
        }
        let is_then = |step: &Step| matches!(step, Step::Then { .. });
        if golden.steps.last().is_some_and(is_then) {
            Ok(golden)
        } else {
            Err("the file must end with `=== then`".to_owned())
        }
    }

    fn add(&mut self, title: &str, rest: &str) -> Result<(), String> {
        let (verb, argument) = title.split_once(' ').unwrap_or((title, ""));
        let request = rest.trim_end().to_owned();
        let step = match verb {
            "server" => {
                self.server = words(argument);
                return Ok(());
            }
            "patron" => {
                let (command, name) = match argument.rsplit_once(" as ") {
                    Some((command, name)) => (command, Some(name.to_owned())),
                    None => (argument, None),
                };
                Step::Manage { words: words(command), input: request, name }
            }
            "given" if !argument.is_empty() => Step::Given { name: argument.to_owned(), request },
            "when" => Step::When { request },
            "then" => Step::Then { expectation: Expectation::parse(rest)? },
            _ => return Err(format!("no such section: === {title}")),
        };
        self.steps.push(step);
        Ok(())
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// What the comments at the head say under `# name: `.
fn said(comments: &str, name: &str) -> Result<String, String> {
    let mark = format!("# {name}: ");
    let found = comments.lines().find_map(|line| line.strip_prefix(&mark));
    found.map(str::to_owned).ok_or_else(|| format!("the head has no line `{mark}…`"))
}
