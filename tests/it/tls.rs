//! Whom the program believes to be its database, and what whoever is in between can make of it. No stack is needed.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::impostor::{Heard, Impostor, Tls};
use crate::support::*;

const PASSWORD: &str = "canary-of-tls";

/// An authority, and the file that clients trust it by.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: Folder,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("an authority");
        let folder = Folder::new();
        folder.file("roots.pem", issuer.pem());
        Self { issuer, folder }
    }

    fn roots(&self) -> std::path::PathBuf {
        self.folder.path().join("roots.pem")
    }

    /// A server of `name` whose certificate is good in these years.
    fn server(&self, name: &str, years: (i32, i32)) -> Arc<ServerConfig> {
        let key = KeyPair::generate().expect("a key");
        let certificate = params(name, years).signed_by(&key, &self.issuer);
        config(certificate.expect("signed").der().clone(), &key)
    }
}

fn params(name: &str, (from, to): (i32, i32)) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(to, 1, 1);
    params
}

fn config(certificate: CertificateDer<'static>, key: &KeyPair) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key);
    Arc::new(config.expect("a certificate and its key"))
}

/// `init` against the impostor, in an environment of its own.
fn connect(impostor: &Impostor, mode: &str, roots: Option<&Path>) -> (Run, Vec<Heard>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stagecopy"));
    command
        .env_clear()
        .env("PGPASSWORD", PASSWORD)
        .args([
            "init",
            "--table",
            "t",
            "--host",
            "localhost",
            "--hostaddr",
            "127.0.0.1",
        ])
        .args([
            "--user",
            "loader",
            "--database",
            "dev",
            "--connect-timeout",
            "5s",
        ])
        .args(["--port", &impostor.port.to_string(), "--sslmode", mode])
        .stdin(Stdio::null());
    if let Some(roots) = roots {
        command.arg("--sslrootcert").arg(roots);
    }
    (run(&mut command), impostor.heard())
}

const NOW: (i32, i32) = (2020, 2999);

/// What became of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The impostor was told the password, over TLS
    Believed,
    /// It was told nothing, and the reason is its certificate
    Certificate,
}

#[track_caller]
fn ends(impostor: &Impostor, mode: &str, roots: Option<&Path>, expected: End) {
    let (run, heard) = connect(impostor, mode, roots);
    let run = run.expect(1);
    run.hints();
    assert!(
        heard.iter().all(|heard| heard.clear.is_empty()),
        "in clear: {heard:?}"
    );
    let told: Vec<_> = heard
        .iter()
        .filter_map(|heard| heard.password.as_deref())
        .collect();
    match expected {
        End::Believed => {
            assert_eq!(told, [PASSWORD.as_bytes()], "{mode}: {}", run.stderr);
            assert!(run.error().contains("by the impostor"), "{}", run.stderr);
        }
        End::Certificate => {
            assert_eq!(told, Vec::<&[u8]>::new(), "{mode}: {}", run.stderr);
            assert!(
                run.error().contains("certificate"),
                "{mode}: {}",
                run.stderr
            );
            assert!(
                run.stderr.contains("--sslrootcert"),
                "{mode}: {}",
                run.stderr
            );
        }
    }
}

#[test]
fn only_a_good_certificate_for_the_very_host_is_believed() {
    use End::{Believed, Certificate};
    let (authority, stranger) = (Authority::new(), Authority::new());
    let roots = authority.roots();
    let own_key = KeyPair::generate().expect("a key");
    let own = params("localhost", NOW)
        .self_signed(&own_key)
        .expect("signed");
    for (what, server, full, ca) in [
        (
            "good",
            authority.server("localhost", NOW),
            Believed,
            Believed,
        ),
        (
            "expired",
            authority.server("localhost", (2001, 2002)),
            Certificate,
            Certificate,
        ),
        (
            "of the future",
            authority.server("localhost", (2998, 2999)),
            Certificate,
            Certificate,
        ),
        (
            "of another host",
            authority.server("db.example.com", NOW),
            Certificate,
            Believed,
        ),
        (
            "of a stranger",
            stranger.server("localhost", NOW),
            Certificate,
            Certificate,
        ),
        (
            "self-signed",
            config(own.der().clone(), &own_key),
            Certificate,
            Certificate,
        ),
    ] {
        let impostor = Impostor::new(Tls::Spoken(server));
        say(&format!("a certificate that is {what}"));
        ends(&impostor, "verify-full", Some(&roots), full);
        ends(&impostor, "verify-ca", Some(&roots), ca);
        // asked for by name: encrypted, to whoever answers
        ends(&impostor, "require", None, Believed);
    }
}

#[test]
fn without_a_file_the_systems_authorities_are_asked() {
    let authority = Authority::new();
    let impostor = Impostor::new(Tls::Spoken(authority.server("localhost", NOW)));
    ends(&impostor, "verify-full", None, End::Certificate);
}

#[test]
fn a_bundle_as_amazon_publishes_one_is_read_whole_and_trusts_nobody_else() {
    let authority = Authority::new();
    let impostor = Impostor::new(Tls::Spoken(authority.server("localhost", NOW)));
    // with words between the certificates, and another system's line ends
    let bundle = include_str!("amazon.pem").replace('\n', "\r\n");
    let folder = Folder::new();
    let amazons = folder.file("amazon.pem", &bundle);
    ends(&impostor, "verify-full", Some(&amazons), End::Certificate);
    // that all of it is read shows by one more at its end
    let with_ours = bundle + &authority.issuer.pem();
    let with_ours = folder.file("with-ours.pem", with_ours);
    ends(&impostor, "verify-full", Some(&with_ours), End::Believed);
    for (name, text) in [("empty.pem", ""), ("words.pem", "no certificate at all\n")] {
        let file = folder.file(name, text);
        let (run, heard) = connect(&impostor, "verify-full", Some(&file));
        let run = run.expect(1);
        run.hints();
        assert!(run.error().contains(name), "{}", run.stderr);
        assert_eq!(heard, []);
    }
}

#[test]
fn whoever_is_in_between_does_not_get_a_word_in_clear() {
    let authority = Authority::new();
    let roots = authority.roots();
    let server = || authority.server("localhost", NOW);
    for (what, tls) in [
        ("says that there is no TLS", Tls::Refused),
        ("answers by an error", Tls::Error),
        ("hangs up", Tls::HungUp),
        (
            "puts bytes in clear before TLS begins",
            Tls::Stuffed(server()),
        ),
    ] {
        let impostor = Impostor::new(tls);
        for mode in ["verify-full", "verify-ca", "require"] {
            let roots = (mode != "require").then_some(roots.as_path());
            let (run, heard) = connect(&impostor, mode, roots);
            let run = run.expect(1);
            run.hints();
            for heard in heard {
                assert_eq!(heard, Heard::default(), "{mode}: {what}: {}", run.stderr);
            }
        }
    }
    // the control: without TLS it is told everything
    let impostor = Impostor::new(Tls::Refused);
    let (run, heard) = connect(&impostor, "disable", None);
    run.expect(1);
    assert_eq!(heard[0].password.as_deref(), Some(PASSWORD.as_bytes()));
    assert_eq!(heard[0].user.as_deref(), Some("loader"));
}
