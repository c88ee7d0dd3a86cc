//! Certificates for a server of the tests, by an authority of its own.

#![expect(
    clippy::unwrap_used,
    reason = "a test without its certificates must fail where it notices"
)]

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// Files in PEM.
pub(super) struct Certificates {
    /// Of the authority, for whoever verifies.
    pub(super) authority: String,
    /// Of the server, for `127.0.0.1` and `localhost`.
    pub(super) server: String,
    /// The server's key.
    pub(super) key: String,
}

impl Certificates {
    /// For a server on this port, after which the authority is named: no two have the same name.
    pub(super) fn make(port: u16) -> Self {
        let mut of_authority = CertificateParams::default();
        of_authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        of_authority.distinguished_name.push(DnType::CommonName, format!("Authority of {port}"));
        let authority_key = KeyPair::generate().unwrap();
        let authority = of_authority.self_signed(&authority_key).unwrap();
        let issuer = Issuer::new(of_authority, authority_key);
        let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
        let key = KeyPair::generate().unwrap();
        let server = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
        Self { authority: authority.pem(), server: server.pem(), key: key.serialize_pem() }
    }
}
