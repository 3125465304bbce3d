//! A stack for the tests of the judge: PostgreSQL, S3 and the judge, once for the whole binary.
//!
//! PostgreSQL runs under a shell that waits for the end of this process (a closed pipe) and then stops
//! it and removes its folder, however the process ended.

use std::io::Write;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, LazyLock};

use local_redshift::armed::Armed;
use local_redshift::objects::ObjectsConfig;
use local_redshift::session::{self, Judge};
use tokio_postgres::{AsyncMessage, Client, NoTls};

/// The ordinary user of the tests.
pub const USER: &str = "tester";
/// Its password.
pub const PASSWORD: &str = "it's a \\ password";

/// What tests need to know.
pub struct Stack {
    /// The judge's port.
    pub port: u16,
    /// PostgreSQL's own port.
    pub postgres_port: u16,
    /// The certificate to trust.
    pub roots: PathBuf,
    /// The folder behind the bucket `stage`.
    pub bucket: PathBuf,
    /// The log of COPYs.
    pub copy_log: PathBuf,
    /// The faults that statements meet.
    pub armed: Arc<Armed>,
    certificate: rustls_pki_types::CertificateDer<'static>,
    _postgres: Child,
}

/// The one stack.
pub static STACK: LazyLock<Stack> = LazyLock::new(start);

fn postgres_bin() -> PathBuf {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .expect("PostgreSQL is installed")
        .map(|entry| entry.unwrap().path().join("bin"))
        .filter(|bin| bin.join("initdb").exists())
        .collect();
    found.sort();
    found.pop().expect("PostgreSQL is installed")
}

/// The user and group that may run PostgreSQL: postgres where this is root, else nobody else.
fn unprivileged() -> Option<(u32, u32)> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let is_root = status.lines().any(|line| line.starts_with("Uid:\t0\t"));
    let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
    let entry: Vec<&str> = passwd
        .lines()
        .find(|line| line.starts_with("postgres:"))?
        .split(':')
        .collect();
    is_root.then(|| (entry[2].parse().unwrap(), entry[3].parse().unwrap()))
}

fn command(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(folder)
        .env("HOME", folder)
        .env("LC_ALL", "C.UTF-8");
    if let Some((user, group)) = unprivileged() {
        command.uid(user).gid(group);
    }
    command
}

fn succeed(command: &mut Command) {
    let output = command.output().expect("it can be started");
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn start_postgres(folder: &Path, port: u16) -> Child {
    let bin = postgres_bin();
    let data = folder.join("data");
    succeed(
        command(&bin.join("initdb"), folder)
            .args([
                "-U",
                "redshift_admin",
                "-A",
                "trust",
                "--no-sync",
                "--no-instructions",
                "-E",
                "UTF8",
            ])
            .args(["--locale=C.UTF-8", "-D"])
            .arg(&data),
    );
    let mut single = command(&bin.join("postgres"), folder)
        .args(["--single", "-b", "-O", "-j", "-D"])
        .arg(&data)
        .arg("template1")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    single
        .stdin
        .take()
        .unwrap()
        .write_all(local_redshift::TYPES_SQL.as_bytes())
        .unwrap();
    assert!(single.wait().unwrap().success());
    std::fs::write(
        data.join("pg_hba.conf"),
        "host all redshift_admin 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 md5\n",
    )
    .unwrap();
    let script = r#""$1/postgres" -D data -c listen_addresses=127.0.0.1 -c port="$2" -c unix_socket_directories= \
        -c fsync=off -c full_page_writes=off -c synchronous_commit=off -c standard_conforming_strings=off \
        -c escape_string_warning=off -c default_transaction_isolation='repeatable read' \
        -c password_encryption=md5 >log 2>&1 &
        server=$!; read -r _; kill -QUIT $server; wait $server; rm -rf ./*"#;
    let child = command(Path::new("/bin/sh"), folder)
        .args(["-c", script, "sh"])
        .arg(&bin)
        .arg(port.to_string())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let ready = || {
        let mut probe = Command::new(bin.join("pg_isready"));
        probe
            .args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()])
            .status()
            .unwrap()
            .success()
    };
    for _ in 0..200 {
        if ready() {
            return child;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!(
        "PostgreSQL does not start: {}",
        std::fs::read_to_string(folder.join("log")).unwrap_or_default()
    );
}

fn psql_as_admin(port: u16, database: &str, text: &str) {
    let mut child = Command::new(postgres_bin().join("psql"))
        .args([
            "-X",
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            "127.0.0.1",
            "-U",
            "redshift_admin",
            "-p",
            &port.to_string(),
        ])
        .args(["-d", database])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    assert!(child.wait().unwrap().success());
}

fn start() -> Stack {
    let postgres_folder =
        std::env::temp_dir().join(format!("local-redshift-judge-{}", std::process::id()));
    std::fs::create_dir(&postgres_folder).unwrap();
    if let Some((user, group)) = unprivileged() {
        std::os::unix::fs::chown(&postgres_folder, Some(user), Some(group)).unwrap();
    }
    let postgres_port = free_port();
    let postgres = start_postgres(&postgres_folder, postgres_port);
    psql_as_admin(postgres_port, "template1", local_redshift::REDSHIFT_SQL);
    let password = PASSWORD.replace('\\', "\\\\").replace('\'', "''");
    psql_as_admin(
        postgres_port,
        "postgres",
        &format!(
            "CREATE USER {USER} PASSWORD '{password}';\nCREATE USER other PASSWORD 'other';\nCREATE DATABASE dev OWNER {USER};\n"
        ),
    );

    // PostgreSQL's folder goes with it; the rest is small and lies beside the test binary.
    let folder =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("judge-{}", std::process::id()));
    let bucket = folder.join("s3/stage");
    std::fs::create_dir_all(&bucket).unwrap();
    let issued =
        rcgen::generate_simple_self_signed(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])
            .unwrap();
    let roots = folder.join("roots.pem");
    std::fs::write(&roots, issued.cert.pem()).unwrap();
    let certificate = issued.cert.der().clone();
    let key =
        rustls_pki_types::PrivateKeyDer::try_from(issued.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();

    let judge_listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let s3_listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = judge_listener.local_addr().unwrap().port();
    let copy_log = folder.join("copies.jsonl");
    let armed = Arc::new(Armed::default());
    let judge = Arc::new(Judge {
        postgres_port,
        postgres_superuser: "redshift_admin".to_owned(),
        tls: Arc::new(tls),
        objects: ObjectsConfig {
            endpoint: format!(
                "http://127.0.0.1:{}",
                s3_listener.local_addr().unwrap().port()
            ),
            region: "us-east-1".to_owned(),
            access_key_id: "AKIDLOCAL".to_owned(),
            secret_access_key: "local-secret".to_owned(),
        },
        copy_log: Some(copy_log.clone()),
        armed: Arc::clone(&armed),
    });
    let s3_folder = folder.join("s3");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async move {
            tokio::spawn(serve_s3(s3_listener, s3_folder));
            judge_listener.set_nonblocking(true).unwrap();
            let listener = tokio::net::TcpListener::from_std(judge_listener).unwrap();
            session::serve(listener, judge).await.unwrap();
        });
    });
    Stack {
        port,
        postgres_port,
        roots,
        bucket,
        copy_log,
        armed,
        certificate,
        _postgres: postgres,
    }
}

async fn serve_s3(listener: TcpListener, folder: PathBuf) {
    let mut builder = s3s::service::S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder).unwrap());
    builder.set_auth(s3s::auth::SimpleAuth::from_single(
        "AKIDLOCAL",
        "local-secret",
    ));
    let service = builder.build();
    listener.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let service = service.clone();
        tokio::spawn(async move {
            let http =
                hyper_util::server::conn::auto::Builder::new(hyper_util::rt::TokioExecutor::new());
            let _ = http
                .serve_connection(hyper_util::rt::TokioIo::new(stream), service)
                .await;
        });
    }
}

/// A client, the notices it is sent, and the task that reads.
type Connected = (
    Client,
    tokio::sync::mpsc::UnboundedReceiver<String>,
    tokio::task::AbortHandle,
);

impl Stack {
    /// A connection through the judge, and the notices it is sent.
    pub async fn connect(&self) -> (Client, tokio::sync::mpsc::UnboundedReceiver<String>) {
        self.connect_as(USER, PASSWORD)
            .await
            .expect("the judge lets the tester in")
    }

    /// The same under an application_name, by which faults are aimed, with the task that reads: the
    /// connection is closed when that is aborted.
    pub async fn connect_named(
        &self,
        name: &str,
    ) -> Result<(Client, tokio::task::AbortHandle), tokio_postgres::Error> {
        let connected = self.connect_with(USER, PASSWORD, Some(name)).await;
        connected.map(|(client, _, reading)| (client, reading))
    }

    /// The same as another user.
    pub async fn connect_as(
        &self,
        user: &str,
        password: &str,
    ) -> Result<(Client, tokio::sync::mpsc::UnboundedReceiver<String>), tokio_postgres::Error> {
        let connected = self.connect_with(user, password, None).await;
        connected.map(|(client, notices, _)| (client, notices))
    }

    async fn connect_with(
        &self,
        user: &str,
        password: &str,
        name: Option<&str>,
    ) -> Result<Connected, tokio_postgres::Error> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tls = tokio_postgres_rustls::MakeRustlsConnect::new(tls);
        let mut config = tokio_postgres::Config::new();
        if let Some(name) = name {
            config.application_name(name);
        }
        let (client, mut connection) = config
            .host("localhost")
            .port(self.port)
            .user(user)
            .password(password)
            .dbname("dev")
            .connect(tls)
            .await?;
        let (sender, notices) = tokio::sync::mpsc::unbounded_channel();
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

    /// A connection without TLS.
    pub async fn connect_plainly(&self) -> Result<(), tokio_postgres::Error> {
        tokio_postgres::Config::new()
            .host("127.0.0.1")
            .port(self.port)
            .user(USER)
            .password(PASSWORD)
            .dbname("dev")
            .connect(NoTls)
            .await
            .map(|_| ())
    }

    /// `psql` over TLS with the certificate verified: standard output and standard error.
    pub fn psql(&self, arguments: &[&str]) -> (String, String) {
        let output = Command::new(postgres_bin().join("psql"))
            .env("PGPASSWORD", PASSWORD)
            .env("PGSSLMODE", "verify-full")
            .env("PGSSLROOTCERT", &self.roots)
            .args([
                "-X",
                "-A",
                "-t",
                "-h",
                "localhost",
                "-U",
                USER,
                "-d",
                "dev",
                "-p",
                &self.port.to_string(),
            ])
            .args(arguments)
            .output()
            .unwrap();
        (
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    }

    /// Puts an object into the bucket `stage`.
    pub fn put(&self, key: &str, bytes: &[u8]) {
        let path = self.bucket.join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// Puts a manifest of objects of the bucket, as large as they are, all mandatory.
    pub fn manifest(&self, key: &str, objects: &[&str]) {
        let entries: Vec<_> = objects
            .iter()
            .map(|object| {
                let length = std::fs::metadata(self.bucket.join(object)).unwrap().len();
                serde_json::json!({"url": format!("s3://stage/{object}"), "mandatory": true, "meta": {"content_length": length}})
            })
            .collect();
        self.put(
            key,
            serde_json::json!({ "entries": entries })
                .to_string()
                .as_bytes(),
        );
    }
}
