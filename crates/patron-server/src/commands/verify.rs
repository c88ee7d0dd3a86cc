//! `patron verify`: a walk over every customer, erased ones among them, and its whole history. It changes nothing.

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::Place;
use super::reach::{self, Reach};
use crate::management::{BrokenBody, Command, PageBody, Report};
use crate::opening::Founding;
use crate::output;
use crate::refusal::Refusal;

/// What `patron verify` takes.
#[derive(Args)]
pub(crate) struct VerifyArgs {
    /// The merchant's id; all merchants when none is given.
    merchant: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What was walked over, all of it in order but for what is broken.
#[derive(Default, Serialize)]
struct Walked {
    merchants: u64,
    customers: u64,
    erased: u64,
    history_entries: u64,
    events: u64,
    broken: Option<BrokenBody>,
    #[serde(skip)]
    progress: output::Progress,
}

pub(super) async fn run(place: Place<'_>, arguments: VerifyArgs) -> Result<ExitCode, Refusal> {
    let VerifyArgs { merchant, json } = arguments;
    let mut reach = Reach::new(place, Founding::Refused);
    let mut walked = Walked::default();
    walked.walk(&mut reach, merchant).await?;
    walked.progress.clear();
    let problem = walked.problem();
    if json {
        output::print(&output::json(&walked)?)?;
    } else if problem.is_none() {
        output::print(&walked.to_text())?;
    }
    problem.map_or(Ok(ExitCode::SUCCESS), |problem| Err(Refusal::failure(problem)))
}

impl Walked {
    /// Walks until something is broken or all was seen.
    async fn walk(&mut self, reach: &mut Reach<'_>, only: Option<String>) -> Result<(), Refusal> {
        let merchants = match only {
            Some(id) => vec![id],
            None => list_merchants(reach).await?,
        };
        for merchant in merchants {
            self.walk_merchant(reach, &merchant).await?;
            if self.broken.is_some() {
                return Ok(());
            }
            self.merchants = self.merchants.saturating_add(1);
        }
        Ok(())
    }

    async fn walk_merchant(
        &mut self,
        reach: &mut Reach<'_>,
        merchant: &str,
    ) -> Result<(), Refusal> {
        let mut next = Some(0);
        while let Some(after) = next {
            let command = Command::VerifyCustomers { merchant: merchant.to_owned(), after };
            let Report::Page(page) = reach.perform(command).await? else {
                return Err(reach::unexpected());
            };
            let PageBody { customers, erased, entries, events, next: following, broken } = page;
            self.customers = self.customers.saturating_add(customers);
            self.erased = self.erased.saturating_add(erased);
            self.history_entries = self.history_entries.saturating_add(entries);
            self.events = self.events.saturating_add(events);
            self.broken = broken;
            next = following;
            let Self { customers, history_entries, events, .. } = &*self;
            self.progress.show(&format!(
                "{customers} customers, {history_entries} history entries, {events} events"
            ));
        }
        Ok(())
    }

    /// What is broken, in a sentence.
    fn problem(&self) -> Option<String> {
        self.broken.as_ref().map(|BrokenBody { merchant, customer, fault }| {
            format!(
                "customer {customer} of merchant {merchant} is broken: {fault}; keep a copy of the \
                 data, find out who touched it, and restore a backup"
            )
        })
    }

    fn to_text(&self) -> String {
        let Self { merchants, customers, erased, history_entries, events, broken: _, progress: _ } =
            self;
        let erased = match erased {
            0 => String::new(),
            erased => format!(" ({erased} of them erased)"),
        };
        format!(
            "All in order: {merchants} merchants, {customers} customers{erased}, {history_entries} \
             history entries, {events} events\n"
        )
    }
}

async fn list_merchants(reach: &mut Reach<'_>) -> Result<Vec<String>, Refusal> {
    match reach.perform(Command::ListMerchants).await? {
        Report::Merchants(merchants) => Ok(merchants.into_iter().map(|one| one.id).collect()),
        Report::Merchant(_)
        | Report::NewKey(_)
        | Report::Keys(_)
        | Report::Revoked { .. }
        | Report::Operator(_)
        | Report::Operators(_)
        | Report::Erasure(_)
        | Report::Ledger(_)
        | Report::Greeting { .. }
        | Report::Findings(_)
        | Report::Broken(_)
        | Report::Page(_) => Err(reach::unexpected()),
    }
}
