//! One stack for all tests of the judge, and clients of it.
//!
//! The stack is never dropped: its keeper clears away when this process has ended, however it did.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock};

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use local_redshift::armed::Armed;
use local_redshift::cluster::Cluster;
use local_redshift::environment::Addresses;
use local_redshift::s3::S3;
use local_redshift::stack::{self, Database, Options, Port};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::AbortHandle;
use tokio_postgres::{AsyncMessage, Client, NoTls};

/// What the server says beside its answers.
pub(crate) type Notices = UnboundedReceiver<String>;

/// The running stack, as tests see it.
pub(crate) struct Running {
    stack: stack::Stack,
}

/// The one stack.
// A thread of its own: the start blocks, and tests call it from within their runtimes.
pub(crate) static STACK: LazyLock<Running> =
    LazyLock::new(|| std::thread::spawn(start).join().expect("the stack starts"));

fn start() -> Running {
    start_as(Cluster::default())
}

/// Another stack, of another cluster.
pub(crate) fn start_as(cluster: Cluster) -> Running {
    let stack = stack::start(&Options {
        directory: None,
        copy_log: None,
        redshift_port: Port::Free,
        s3_port: Port::Free,
        s3: S3::Builtin,
        health_port: Port::Free,
        postgres: Database::Private(Port::Free),
        program: PathBuf::from(env!("CARGO_BIN_EXE_local-redshift")),
        cluster,
    })
    .unwrap();
    Running { stack }
}

fn tls(roots: &str) -> tokio_postgres_rustls::MakeRustlsConnect {
    tokio_postgres_rustls::MakeRustlsConnect::new(client_config(roots))
}

/// TLS that trusts the authorities in a file.
pub(crate) fn client_config(roots: &str) -> rustls::ClientConfig {
    let mut store = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(roots).unwrap() {
        store.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(store)
        .with_no_client_auth()
}

impl Running {
    /// Where it is.
    pub(crate) fn at(&self) -> &Addresses {
        self.stack.addresses()
    }

    /// The faults that statements meet.
    pub(crate) fn armed(&self) -> &Armed {
        self.stack.armed()
    }

    fn config(&self, user: &str, password: &str) -> tokio_postgres::Config {
        let mut config = tokio_postgres::Config::new();
        config.host("localhost").port(self.at().redshift_port);
        config
            .user(user)
            .password(password)
            .dbname(&self.at().database);
        config
    }

    /// A connection through the judge, and the notices it is sent.
    pub(crate) async fn connect(&self) -> (Client, Notices) {
        self.connect_as(self.at().user, &self.at().password)
            .await
            .expect("the judge lets the stack's user in")
    }

    /// The same under an application_name, by which faults are aimed, with the task that reads: the
    /// connection is closed when that is aborted.
    pub(crate) async fn connect_named(
        &self,
        name: &str,
    ) -> Result<(Client, AbortHandle), tokio_postgres::Error> {
        let mut config = self.config(self.at().user, &self.at().password);
        config.application_name(name);
        let connected = self.connect_by(&config).await;
        connected.map(|(client, _, reading)| (client, reading))
    }

    /// The same as another user.
    pub(crate) async fn connect_as(
        &self,
        user: &str,
        password: &str,
    ) -> Result<(Client, Notices), tokio_postgres::Error> {
        let connected = self.connect_by(&self.config(user, password)).await;
        connected.map(|(client, notices, _)| (client, notices))
    }

    async fn connect_by(
        &self,
        config: &tokio_postgres::Config,
    ) -> Result<(Client, Notices, AbortHandle), tokio_postgres::Error> {
        let (client, mut connection) = config.connect(tls(&self.at().ca)).await?;
        let (sender, notices) = unbounded_channel();
        let reading = tokio::spawn(async move {
            while let Some(Ok(message)) =
                std::future::poll_fn(|context| connection.poll_message(context)).await
            {
                if let AsyncMessage::Notice(notice) = message {
                    let _ = sender.send(format!("{}: {}", notice.severity(), notice.message()));
                }
            }
        });
        Ok((client, notices, reading.abort_handle()))
    }

    /// What a connection without TLS comes to.
    pub(crate) async fn connect_plainly(&self) -> Result<(), tokio_postgres::Error> {
        let config = self.config(self.at().user, &self.at().password);
        config.connect(NoTls).await.map(|_| ())
    }

    /// A connection to the PostgreSQL behind, as its superuser.
    pub(crate) async fn connect_behind(&self) -> Client {
        let (client, connection) = tokio_postgres::Config::new()
            .host("127.0.0.1")
            .port(self.at().postgres_port)
            .user("redshift_admin")
            .dbname(&self.at().database)
            .connect(NoTls)
            .await
            .unwrap();
        tokio::spawn(connection);
        client
    }

    /// `psql` over TLS with the certificate verified: standard output and standard error.
    pub(crate) fn psql(&self, arguments: &[&str]) -> (String, String) {
        let at = self.at();
        let private = at
            .private
            .as_ref()
            .expect("the stack has a PostgreSQL of its own");
        let output = Command::new(Path::new(&private.bin).join("psql"))
            .env("PGPASSWORD", &at.password)
            .env("PGSSLMODE", "verify-full")
            .env("PGSSLROOTCERT", &at.ca)
            .args([
                "-X",
                "-A",
                "-t",
                "-h",
                "localhost",
                "-p",
                &at.redshift_port.to_string(),
            ])
            .args(["-U", at.user, "-d", &at.database])
            .args(arguments)
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (text(output.stdout), text(output.stderr))
    }

    fn s3(&self) -> aws_sdk_s3::Client {
        let at = self.at();
        let credentials = Credentials::new(
            &at.access_key_id,
            &at.secret_access_key,
            None,
            None,
            "tests",
        );
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(at.region))
            .endpoint_url(&at.s3_endpoint)
            .credentials_provider(credentials)
            .force_path_style(true)
            .build();
        aws_sdk_s3::Client::from_conf(config)
    }

    /// Puts an object into the stack's bucket.
    pub(crate) async fn put(&self, key: &str, bytes: Vec<u8>) {
        let put = self.s3().put_object().bucket("stagecopy").key(key);
        put.body(bytes.into()).send().await.unwrap();
    }

    /// Puts a manifest of objects of the bucket, as large as they are, all mandatory.
    pub(crate) async fn manifest(&self, key: &str, objects: &[&str]) {
        let mut entries = Vec::new();
        for object in objects {
            let head = self.s3().head_object().bucket("stagecopy").key(*object);
            let length = head.send().await.unwrap().content_length().unwrap();
            entries.push(serde_json::json!({
                "url": format!("s3://stagecopy/{object}"),
                "mandatory": true,
                "meta": {"content_length": length},
            }));
        }
        let manifest = serde_json::json!({ "entries": entries });
        self.put(key, manifest.to_string().into_bytes()).await;
    }
}
