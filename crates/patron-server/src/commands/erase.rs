//! `patron erase`: erases a customer for good, and waits until nothing of it is left in the live files.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use patron::ids::MerchantId;
use tokio::time::sleep;

use super::Place;
use super::reach::{self, Reach};
use crate::config::Secret;
use crate::management::{Command, ErasureBody, NOT_A_MERCHANT_ID, ReceiptBody, Report};
use crate::opening::Founding;
use crate::refusal::Refusal;
use crate::system::Stopwatch;
use crate::{output, terminal};

/// Between two looks for the receipt.
const PAUSE: Duration = Duration::from_millis(100);

/// How long it is waited before it is said what for.
const PATIENCE: Duration = Duration::from_secs(1);

/// What `patron erase` takes.
#[derive(Args)]
pub(crate) struct EraseArgs {
    /// The merchant's id.
    merchant: String,
    /// The customer's number or id. The merchant's reference works as well, but every user of the machine can read
    /// it on the command line.
    customer: String,
    /// Do not ask whether this is meant. Without a terminal to ask at, this has to be given.
    #[arg(long)]
    yes: bool,
    /// Do not wait for the receipt: ask for it later, with the same command and the customer's number.
    #[arg(long)]
    no_wait: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(place: Place<'_>, arguments: EraseArgs) -> Result<ExitCode, Refusal> {
    let EraseArgs { merchant, customer, yes, no_wait, json } = arguments;
    if MerchantId::parse(&merchant).is_none() {
        return Err(Refusal::configuration(NOT_A_MERCHANT_ID));
    }
    if !yes && !is_meant(&merchant)? {
        return Err(Refusal::failure("nobody was erased"));
    }
    let mut reach = Reach::new(place, Founding::Refused);
    let customer = Secret::new(customer);
    let command = Command::EraseCustomer { merchant: merchant.clone(), customer };
    let mut erased = erasure(reach.perform(command).await?)?;
    if !no_wait {
        erased = wait(&mut reach, erased).await?;
    }
    output::print(&if json { output::json(&erased)? } else { to_text(&erased) })?;
    Ok(ExitCode::SUCCESS)
}

fn is_meant(merchant: &str) -> Result<bool, Refusal> {
    if !terminal::is_there() {
        return Err(Refusal::configuration(
            "there is no terminal to ask at whether this is meant: nobody brings back who was \
             erased, so say it with --yes",
        ));
    }
    terminal::confirm(&format!(
        "This erases a customer of merchant {merchant} for good, and nobody can bring it back."
    ))
}

/// Waits until there is a receipt.
async fn wait(reach: &mut Reach<'_>, erased: ErasureBody) -> Result<ErasureBody, Refusal> {
    let mut progress = output::Progress::default();
    let waiting = Stopwatch::start();
    let mut erased = erased;
    while erased.receipt.is_none() {
        erased = look(reach, &erased).await.map_err(|refusal| no_receipt(&erased, &refusal))?;
        if erased.receipt.is_none() {
            if waiting.elapsed() > PATIENCE {
                progress.show(&format!(
                    "customer {} is erased; waiting for its bytes to go from the live files since {} s \
                     (without waiting: --no-wait)",
                    erased.customer,
                    waiting.elapsed().as_secs()
                ));
            }
            sleep(PAUSE).await;
        }
    }
    progress.clear();
    Ok(erased)
}

async fn look(reach: &mut Reach<'_>, erased: &ErasureBody) -> Result<ErasureBody, Refusal> {
    reach.purge_erased().await?;
    let merchant = erased.merchant.clone();
    let command = Command::FindErasure { merchant, customer: erased.customer };
    erasure(reach.perform(command).await?)
}

/// What is said when the customer is erased and nothing more is known.
fn no_receipt(erased: &ErasureBody, refusal: &Refusal) -> Refusal {
    let ErasureBody { merchant, customer, erased: _, receipt: _ } = erased;
    Refusal::failure(format!(
        "customer {customer} is erased, and its receipt is not there yet ({}): ask for it later with \
         `patron erase {merchant} {customer} --yes`",
        refusal.sentence()
    ))
}

fn erasure(report: Report) -> Result<ErasureBody, Refusal> {
    match report {
        Report::Erasure(erasure) => Ok(erasure),
        Report::Merchant(_)
        | Report::Merchants(_)
        | Report::NewKey(_)
        | Report::Keys(_)
        | Report::Revoked { .. }
        | Report::Operator(_)
        | Report::Operators(_)
        | Report::Ledger(_)
        | Report::Greeting { .. }
        | Report::Findings(_)
        | Report::Broken(_)
        | Report::Page(_) => Err(reach::unexpected()),
    }
}

fn to_text(erasure: &ErasureBody) -> String {
    let ErasureBody { merchant, customer, erased, receipt } = erasure;
    let Some(receipt) = receipt else {
        return format!(
            "Customer {customer} of merchant {merchant} is erased since {erased}. For the receipt: \
             patron erase {merchant} {customer} --yes\n"
        );
    };
    let ReceiptBody {
        version,
        history_head,
        erased,
        purged,
        logs_expire,
        replicas_expire,
        backups_expire,
        signature,
    } = receipt;
    let pairs = output::pairs(&[
        ("merchant", merchant.clone()),
        ("customer", customer.to_string()),
        ("version", version.to_string()),
        ("erased", erased.clone()),
        ("gone from live files", purged.clone()),
        ("gone from replicas", replicas_expire.clone()),
        ("gone from logs", logs_expire.clone()),
        ("gone from backups", backups_expire.clone()),
        ("history ends with", history_head.clone()),
        ("signature", signature.clone()),
    ]);
    format!("Customer {customer} of merchant {merchant} is erased\n\n{pairs}")
}
