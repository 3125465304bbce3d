//! The private certificate authority of one stack, and the server certificate it signs.
//!
//! Made anew for each stack; the authority's key is never written down. Two files for clients: `ca.pem`, our authority
//! alone, and `roots.pem`, the system's authorities and ours, for clients that replace the system's roots by the file
//! they are given (the AWS SDKs, redshift_connector). Verifies nothing itself.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::base64;

/// The names the server certificate is valid for.
pub const NAMES: [&str; 2] = ["localhost", "127.0.0.1"];

/// Why there are no certificates.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A key or certificate could not be made
    #[error("cannot make the stack's certificate")]
    Make {
        /// What rcgen says
        #[source]
        source: rcgen::Error,
    },
    /// The TLS library does not take what was made
    #[error("cannot use the stack's certificate")]
    Use {
        /// What rustls says
        #[source]
        source: rustls::Error,
    },
    /// A file could not be written
    #[error("cannot write {}", path.display())]
    Write {
        /// Which
        path: PathBuf,
        /// Why
        #[source]
        source: std::io::Error,
    },
}

/// What the stack's server and its clients need.
#[derive(Debug)]
pub struct Certificate {
    /// For the server: its certificate and key
    pub tls: Arc<ServerConfig>,
    /// Our authority (PEM)
    pub ca: PathBuf,
    /// The system's authorities and ours (PEM)
    pub roots: PathBuf,
}

/// Makes an authority and a server certificate for `NAMES`, and writes the clients' files into `directory`.
pub fn make(directory: &Path) -> Result<Certificate, CertificateError> {
    let (authority, chain, key) = sign().map_err(|source| CertificateError::Make { source })?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|source| CertificateError::Use { source })?;

    let ca = directory.join("ca.pem");
    let ours = pem(&authority);
    write(&ca, &ours)?;
    let roots = directory.join("roots.pem");
    // Where the system has none, or some cannot be read, ours is what the stack needs.
    let system = rustls_native_certs::load_native_certs();
    let all: String = system.certs.iter().map(pem).collect();
    write(&roots, &(all + &ours))?;
    Ok(Certificate {
        tls: Arc::new(tls),
        ca,
        roots,
    })
}

type Signed = (
    CertificateDer<'static>,
    Vec<CertificateDer<'static>>,
    PrivateKeyDer<'static>,
);

/// The authority's certificate, the server's chain, the server's key.
fn sign() -> Result<Signed, rcgen::Error> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority
        .distinguished_name
        .push(DnType::CommonName, "local-redshift certificate authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;

    let mut server = CertificateParams::new(NAMES.map(str::to_owned))?;
    server.distinguished_name.push(DnType::CommonName, NAMES[0]);
    server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    server.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let certificate = server.signed_by(&key, &authority)?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let ours = authority.der().clone();
    Ok((ours, vec![certificate.der().clone()], key))
}

/// RFC 7468: lines of 64 letters.
fn pem(certificate: &CertificateDer<'static>) -> String {
    let text = base64::encode(certificate);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, behind) = rest.split_at(rest.len().min(64));
        // Writing into a String does not fail.
        let _ = writeln!(pem, "{line}");
        rest = behind;
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}

fn write(path: &Path, text: &str) -> Result<(), CertificateError> {
    std::fs::write(path, text).map_err(|source| CertificateError::Write {
        path: path.to_owned(),
        source,
    })
}
