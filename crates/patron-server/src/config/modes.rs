//! What the program refuses to start with, before anything is opened.

use patron::api_key::ApiKeyText;
use patron::installation::Mode;

use super::database::is_known;
use crate::config::{InstallationSettings, Pooler, Secret, ServeSettings};
use crate::refusal::Refusal;

/// Checks the settings against each other and against the mode.
pub(crate) fn check_serve(
    installation: &InstallationSettings,
    serve: &ServeSettings,
) -> Result<(), Refusal> {
    check_tls(serve)?;
    check_proxies(serve)?;
    check_replica(installation, serve)?;
    match installation.mode {
        Mode::Sandbox => check_sandbox_key(serve.sandbox_api_key.as_ref()),
        Mode::Production => check_production(serve),
    }
}

/// Checks the settings of a database against each other and against the mode, for every command.
pub(super) fn check_database(
    installation: &InstallationSettings,
    mode_is_given: bool,
) -> Result<(), Refusal> {
    let database = &installation.database;
    let Some(url) = &database.database_url else {
        return match database.pooler {
            Pooler::None => Ok(()),
            Pooler::Transaction => Err(Refusal::configuration(
                "--pooler transaction (or PATRON_POOLER) is given without --database-url: nothing \
                 stands between the program and a file of its own, so remove it, or give the URL",
            )),
        };
    };
    if !is_known(url) {
        return Err(not_known("--database-url (or PATRON_DATABASE_URL)"));
    }
    if !mode_is_given {
        // What is shared is too easily somebody's production to be taken for a sandbox by default.
        return Err(Refusal::configuration(
            "--database-url (or PATRON_DATABASE_URL) is given without a mode: say what the database \
             is for, with --mode sandbox or --mode production (or PATRON_MODE)",
        ));
    }
    Ok(())
}

fn check_replica(
    installation: &InstallationSettings,
    serve: &ServeSettings,
) -> Result<(), Refusal> {
    match (&serve.read_url, &installation.database.database_url) {
        (None, _) => Ok(()),
        (Some(_), None) => Err(Refusal::configuration(
            "--read-url (or PATRON_READ_URL) is given without --database-url: a replica is one of a \
             database, so remove it, or give the database's URL too",
        )),
        (Some(url), Some(_)) if !is_known(url) => Err(not_known("--read-url (or PATRON_READ_URL)")),
        (Some(_), Some(_)) => Ok(()),
    }
}

/// A URL is not repeated, since it may hold a password.
fn not_known(setting: &str) -> Refusal {
    Refusal::configuration(format!(
        "{setting} is no URL of a PostgreSQL database: it must start with postgres:// or \
         postgresql://"
    ))
}

fn check_tls(serve: &ServeSettings) -> Result<(), Refusal> {
    let (given, missing) = match (&serve.tls_cert, &serve.tls_key) {
        (Some(_), None) => ("--tls-cert", "--tls-key"),
        (None, Some(_)) => ("--tls-key", "--tls-cert"),
        (Some(_), Some(_)) | (None, None) => return Ok(()),
    };
    Err(Refusal::configuration(format!("{given} is given without {missing}: TLS takes both")))
}

/// Whoever is a proxy is believed about everybody's address.
fn check_proxies(serve: &ServeSettings) -> Result<(), Refusal> {
    if serve.behind_proxy.iter().any(|range| range.prefix_len() == 0) {
        return Err(Refusal::configuration(
            "--behind-proxy holds a range of all addresses, so that every client could choose its \
             own: give the addresses of the proxies",
        ));
    }
    Ok(())
}

fn check_sandbox_key(key: Option<&Secret>) -> Result<(), Refusal> {
    match key {
        Some(key) if ApiKeyText::parse(key.expose()).is_none() => Err(Refusal::configuration(
            "--sandbox-api-key (or PATRON_SANDBOX_API_KEY) is not an API key: it must be 32 hex \
             digits in upper case",
        )),
        _ => Ok(()),
    }
}

fn check_production(serve: &ServeSettings) -> Result<(), Refusal> {
    if serve.sandbox_api_key.is_some() {
        return Err(Refusal::configuration(
            "a sandbox API key is set (--sandbox-api-key or PATRON_SANDBOX_API_KEY), which \
             production mode refuses: remove it",
        ));
    }
    if serve.sandbox_seed.is_some() {
        return Err(Refusal::configuration(
            "a sandbox seed is set (--sandbox-seed or PATRON_SANDBOX_SEED), which production mode \
             refuses: remove it",
        ));
    }
    let is_covered = serve.tls_files().is_some() || !serve.behind_proxy.is_empty();
    if !serve.listen.ip().to_canonical().is_loopback() && !is_covered {
        return Err(Refusal::configuration(format!(
            "{} is not a loopback address, and production mode does not serve it in the clear: give \
             --tls-cert and --tls-key, or --behind-proxy with the addresses of the proxies that do \
             TLS, or listen on 127.0.0.1",
            serve.listen
        )));
    }
    Ok(())
}
