//! The root key: where it comes from, and how a sandbox makes its own.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use patron::entropy::{Entropy, random_bytes};
use patron::hex;
use patron::installation::Mode;
use patron::keys::RootKey;
use zeroize::Zeroizing;

use crate::config::{InstallationSettings, Secret};
use crate::refusal::Refusal;

/// The sandbox's own root key, in the data directory.
pub(crate) const FILE_NAME: &str = "root.key";

/// Base64 as people paste it: with padding or without.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A root key, and what should be said about it.
pub(crate) struct Found {
    pub(crate) key: RootKey,
    pub(crate) warning: Option<String>,
}

/// The root key that the settings name, if they name one. Production takes no other.
pub(crate) fn find_given(
    installation: &InstallationSettings,
    variable: Option<&Secret>,
) -> Result<Option<Found>, Refusal> {
    match (&installation.root_key_file, variable) {
        (Some(_), Some(_)) => Err(Refusal::configuration(
            "the root key is given twice, by --root-key-file and by PATRON_ROOT_KEY: give one of \
             them",
        )),
        (Some(file), None) => {
            if installation.mode == Mode::Production {
                check_place(file, &installation.data)?;
            }
            read(file, installation.mode).map(Some)
        }
        (None, Some(text)) => {
            let key = decode(text.expose(), "PATRON_ROOT_KEY")?;
            Ok(Some(Found { key, warning: None }))
        }
        (None, None) if installation.mode == Mode::Production => Err(Refusal::configuration(
            "production mode takes an explicit root key: give --root-key-file with a file outside \
             the data directory, or PATRON_ROOT_KEY",
        )),
        (None, None) => Ok(None),
    }
}

/// The root key in the data directory, if there is one.
pub(crate) fn find_in_data(data: &Path) -> Result<Option<Found>, Refusal> {
    let path = data.join(FILE_NAME);
    if path.exists() { read(&path, Mode::Sandbox).map(Some) } else { Ok(None) }
}

/// Makes a root key in the data directory, or reads the one that another process has made meanwhile. The
/// file is there whole or not at all, whenever the machine stops.
pub(crate) fn create_in_data(data: &Path, entropy: &dyn Entropy) -> Result<Found, Refusal> {
    let path = data.join(FILE_NAME);
    let bytes = Zeroizing::new(random_bytes::<32>(entropy));
    let is_written = write_first(data, &bytes).map_err(|error| {
        Refusal::failure(format!(
            "the root key cannot be written to {} ({error}): make the directory writable",
            path.display()
        ))
    })?;
    if !is_written {
        return read(&path, Mode::Sandbox);
    }
    Ok(Found { key: from_bytes(&bytes)?, warning: None })
}

/// Writes the file, unless it is there; whether it did. The draft is locked until the file has its name, so
/// that processes that come at once write one after another, and all but the first find the file.
fn write_first(data: &Path, bytes: &[u8; 32]) -> io::Result<bool> {
    // A store in a database has had no use for the directory so far.
    DirBuilder::new().recursive(true).mode(0o700).create(data)?;
    let (draft, path) = (data.join("root.key.new"), data.join(FILE_NAME));
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(false).mode(0o600).open(&draft)?;
    file.lock()?;
    if path.try_exists()? {
        // Whoever opened the draft after it was renamed has made another one.
        return match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(false),
        };
    }
    // What a start that was stopped here left behind was never used.
    file.set_len(0)?;
    file.write_all(hex::encode(bytes).as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    fs::rename(&draft, &path)?;
    File::open(data)?.sync_all()?;
    Ok(true)
}

/// Refuses a root key that would be copied wherever the data is copied.
fn check_place(file: &Path, data: &Path) -> Result<(), Refusal> {
    // A data directory that is not there yet holds no file.
    let Ok(data) = data.canonicalize() else {
        return Ok(());
    };
    // Neither the file itself nor a link that leads to it may stand there.
    let parent = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let is_inside = [file.canonicalize(), parent.canonicalize()]
        .into_iter()
        .flatten()
        .any(|path| path.starts_with(&data));
    if is_inside {
        return Err(Refusal::configuration(format!(
            "the root key file {} is inside the data directory, where every copy of the data would \
             take it along: move it elsewhere",
            file.display()
        )));
    }
    Ok(())
}

fn read(file: &Path, mode: Mode) -> Result<Found, Refusal> {
    let unreadable = |error: io::Error| {
        Refusal::configuration(format!(
            "the root key file {} cannot be read ({error}): correct --root-key-file or the file's \
             owner and mode",
            file.display()
        ))
    };
    let permissions = fs::metadata(file).map_err(unreadable)?.permissions();
    let warning = is_open_to_others(permissions.mode()).then(|| {
        format!(
            "the root key file {} is open to every user of this machine: chmod 600 it",
            file.display()
        )
    });
    if mode == Mode::Production
        && let Some(warning) = warning
    {
        return Err(Refusal::configuration(warning));
    }
    let text = Zeroizing::new(fs::read_to_string(file).map_err(unreadable)?);
    let key = decode(&text, &format!("the root key file {}", file.display()))?;
    Ok(Found { key, warning })
}

/// Whether users who are neither the owner nor in the file's group can do anything with it. The group
/// is the administrator's choice: secrets mounted into a container are often read through it.
pub(crate) const fn is_open_to_others(mode: u32) -> bool {
    mode & 0o007 != 0
}

/// Reads 64 hex digits, or base64 of 32 bytes. White space around them does not matter.
fn decode(text: &str, place: &str) -> Result<RootKey, Refusal> {
    let text = text.trim();
    let bytes = hex::decode(text).or_else(|| {
        let decoded = Zeroizing::new(LENIENT.decode(text).ok()?);
        let bytes: [u8; 32] = decoded.as_slice().try_into().ok()?;
        Some(Zeroizing::new(bytes))
    });
    match bytes {
        Some(bytes) => from_bytes(&bytes),
        None => Err(Refusal::configuration(format!(
            "{place} does not hold a root key: it must be 64 hex digits or base64 of 32 bytes"
        ))),
    }
}

fn from_bytes(bytes: &[u8; 32]) -> Result<RootKey, Refusal> {
    RootKey::new(*bytes)
        .map_err(|_| Refusal::failure("the root key cannot be used: the cipher refused it"))
}

#[cfg(test)]
mod tests {
    use patron::ids::MerchantNumber;
    use patron::keys::MerchantKeys;
    use patron_testkit::together::together;

    use super::*;
    use crate::system::OsEntropy;

    #[test]
    fn whoever_makes_one_at_the_same_moment_has_the_same_one() {
        let entropy = OsEntropy::new();
        for _ in 0..20 {
            let data = tempfile::tempdir().unwrap();
            let make = |_, ()| create_in_data(data.path(), &entropy).ok().unwrap().key;
            let made = together(8, |_| (), make);
            let kept = find_in_data(data.path()).ok().unwrap().unwrap();
            assert_eq!(kept.warning, None);
            let merchant = MerchantNumber::new(1);
            for key in made {
                let wrapped = key.wrap_merchant_keys(&entropy, merchant).unwrap();
                assert!(MerchantKeys::unwrap(&kept.key, merchant, &wrapped).is_ok());
            }
            let names = fs::read_dir(data.path()).unwrap().map(|file| file.unwrap().file_name());
            assert_eq!(names.collect::<Vec<_>>(), [FILE_NAME], "no draft is left");
        }
    }

    #[test]
    fn what_a_start_that_was_stopped_left_behind_is_no_key() {
        let data = tempfile::tempdir().unwrap();
        fs::write(data.path().join("root.key.new"), "0a".repeat(500)).unwrap();
        assert!(find_in_data(data.path()).ok().unwrap().is_none());
        create_in_data(data.path(), &OsEntropy::new()).ok().unwrap();
        let text = fs::read_to_string(data.path().join(FILE_NAME)).unwrap();
        assert_eq!(text.len(), 65, "{} digits", text.len());
        assert!(!text.contains(&"0a".repeat(32)));
    }

    #[test]
    fn both_forms_are_read_and_nothing_else() {
        for good in [
            &"0a".repeat(32),
            &"0A".repeat(32),
            &format!("\n {} \n", "0a".repeat(32)),
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        ] {
            assert!(decode(good, "x").is_ok(), "{good}");
        }
        for bad in ["", "0a", &"0a".repeat(31), &"0a".repeat(33), "AAEC", "!"] {
            let refusal = decode(bad, "PATRON_ROOT_KEY").err().unwrap();
            assert!(refusal.sentence().starts_with("PATRON_ROOT_KEY does not hold a root key"));
        }
    }
}
