//! What COPY of Parquet through the judge costs beside PostgreSQL's own binary COPY of the same rows.
//!
//! `cargo bench --package local-redshift --bench copy`. Both load 2,000,000 rows of five columns into the same
//! PostgreSQL: the judge from an object in its S3, the other from a client on loopback that holds the rows ready
//! encoded, into a table of a database that has nothing of Redshift. The runs alternate; the median ratio is what
//! counts. The memory is the peak of the stack's process (judge and S3) over all runs, the upload not counted.

#![allow(clippy::unwrap_used, reason = "a bench that panics has failed")]
#![allow(clippy::print_stdout, reason = "a bench tells what it found")]

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use bytes::{BufMut, Bytes, BytesMut};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_postgres::{Client, NoTls};

const ROWS: i64 = 2_000_000;
const ROW_GROUP: i64 = 250_000;
const PAIRS: usize = 5;
const PIECE: usize = 256 << 10;
const TABLE: &str = "CREATE TABLE measured (id BIGINT, amount FLOAT8, name VARCHAR(64), at TIMESTAMPTZ, flag BOOLEAN)";

/// A stack as a process of its own; it ends with this.
struct Stack {
    child: Child,
    variables: HashMap<String, String>,
}

impl Stack {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_local-redshift"))
            .arg("run")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut variables = HashMap::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            if line == "ready" {
                break;
            }
            let (name, value) = line
                .strip_prefix("export ")
                .unwrap()
                .split_once('=')
                .unwrap();
            variables.insert(name.to_owned(), value.trim_matches('\'').to_owned());
        }
        Self { child, variables }
    }

    fn get(&self, name: &str) -> &str {
        &self.variables[name]
    }

    fn proc(&self, file: &str) -> String {
        format!("/proc/{}/{file}", self.child.id())
    }

    /// Forgets the peak so far.
    fn forget_peak(&self) {
        std::fs::write(self.proc("clear_refs"), "5").unwrap();
    }

    /// CPU time of the process so far, in seconds.
    fn cpu(&self) -> f64 {
        const TICKS: f64 = 100.0;
        let stat = std::fs::read_to_string(self.proc("stat")).unwrap();
        let after_name = stat.rsplit(')').next().unwrap();
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        let ticks = |at: usize| fields[at].parse::<f64>().unwrap();
        (ticks(11) + ticks(12)) / TICKS
    }

    /// The peak of resident memory in MiB.
    fn peak(&self) -> u64 {
        let status = std::fs::read_to_string(self.proc("status")).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmHWM:"))
            .unwrap();
        line.split_whitespace()
            .nth(1)
            .unwrap()
            .parse::<u64>()
            .unwrap()
            / 1024
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Row {
    id: i64,
    amount: f64,
    name: Option<String>,
    at: i64,
    flag: bool,
}

fn row(id: i64) -> Row {
    let mixed = id.wrapping_mul(0x9e37_79b9_7f4a_7c15u64.cast_signed());
    Row {
        id,
        amount: (mixed >> 20) as f64 / 100.0,
        name: (id % 50 != 0).then(|| format!("customer {:x}", mixed.cast_unsigned() >> 36)),
        at: 1_700_000_000_000_000 + id * 1_000_003,
        flag: mixed & 2 == 0,
    }
}

fn parquet() -> Vec<u8> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(usize::try_from(ROW_GROUP).unwrap()))
        .build();
    let mut bytes = Vec::new();
    let mut writer: Option<ArrowWriter<&mut Vec<u8>>> = None;
    let mut sink = Some(&mut bytes);
    let mut properties = Some(properties);
    for start in (0..ROWS).step_by(usize::try_from(ROW_GROUP).unwrap()) {
        let rows: Vec<Row> = (start..start + ROW_GROUP).map(row).collect();
        let columns: [(&str, ArrayRef); 5] = [
            (
                "id",
                Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.id))),
            ),
            (
                "amount",
                Arc::new(Float64Array::from_iter_values(
                    rows.iter().map(|row| row.amount),
                )),
            ),
            (
                "name",
                Arc::new(StringArray::from_iter(
                    rows.iter().map(|row| row.name.as_deref()),
                )),
            ),
            (
                "at",
                Arc::new(
                    TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| row.at))
                        .with_timezone("UTC"),
                ),
            ),
            (
                "flag",
                Arc::new(BooleanArray::from_iter(
                    rows.iter().map(|row| Some(row.flag)),
                )),
            ),
        ];
        let columns = columns.map(|(name, array)| (name, array, true));
        let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
        let writer = writer.get_or_insert_with(|| {
            ArrowWriter::try_new(sink.take().unwrap(), batch.schema(), properties.take()).unwrap()
        });
        writer.write(&batch).unwrap();
    }
    writer.unwrap().close().unwrap();
    bytes
}

/// The same rows as PostgreSQL's binary COPY.
fn binary() -> Bytes {
    const EPOCH: i64 = 946_684_800_000_000;
    let mut out = BytesMut::from(&b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0"[..]);
    for id in 0..ROWS {
        let row = row(id);
        out.put_i16(5);
        out.put_i32(8);
        out.put_i64(row.id);
        out.put_i32(8);
        out.put_f64(row.amount);
        match row.name {
            Some(name) => {
                out.put_i32(i32::try_from(name.len()).unwrap());
                out.extend_from_slice(name.as_bytes());
            }
            None => out.put_i32(-1),
        }
        out.put_i32(8);
        out.put_i64(row.at - EPOCH);
        out.put_i32(1);
        out.put_u8(u8::from(row.flag));
    }
    out.put_i16(-1);
    out.freeze()
}

async fn connect(config: &tokio_postgres::Config, stack: &Stack) -> Client {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(stack.get("PGSSLROOTCERT")).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tls = tokio_postgres_rustls::MakeRustlsConnect::new(tls);
    let (client, connection) = config.connect(tls).await.unwrap();
    tokio::spawn(connection);
    client
}

fn behind(stack: &Stack, database: &str) -> tokio_postgres::Config {
    let mut config = tokio_postgres::Config::new();
    config
        .host(stack.get("LOCAL_REDSHIFT_POSTGRES_HOST"))
        .port(stack.get("LOCAL_REDSHIFT_POSTGRES_PORT").parse().unwrap())
        .user(stack.get("LOCAL_REDSHIFT_POSTGRES_SUPERUSER"))
        .dbname(database);
    config
}

/// Speaks just enough of the protocol to feed a COPY as cheaply as can be.
async fn feed(stack: &Stack, rows: &Bytes) {
    fn message(tag: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [&[tag][..], &length, body].concat()
    }
    async fn until(stream: &mut TcpStream, tag: u8) {
        loop {
            let mut head = [0; 5];
            stream.read_exact(&mut head).await.unwrap();
            let length = u32::from_be_bytes(head[1..].try_into().unwrap()) as usize;
            let mut body = vec![0; length - 4];
            stream.read_exact(&mut body).await.unwrap();
            assert_ne!(head[0], b'E', "{}", String::from_utf8_lossy(&body));
            if head[0] == tag {
                return;
            }
        }
    }
    let host = stack.get("LOCAL_REDSHIFT_POSTGRES_HOST");
    let port = stack.get("LOCAL_REDSHIFT_POSTGRES_PORT").parse().unwrap();
    let mut stream = TcpStream::connect((host, port)).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let user = stack.get("LOCAL_REDSHIFT_POSTGRES_SUPERUSER");
    let body = format!("\0\x03\0\0user\0{user}\0database\0plain\0\0");
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    stream
        .write_all(&[&length, body.as_bytes()].concat())
        .await
        .unwrap();
    until(&mut stream, b'Z').await;
    stream
        .write_all(&message(
            b'Q',
            b"COPY measured FROM STDIN (FORMAT binary)\0",
        ))
        .await
        .unwrap();
    until(&mut stream, b'G').await;
    for piece in rows.chunks(PIECE) {
        let length = u32::try_from(piece.len() + 4).unwrap().to_be_bytes();
        stream
            .write_all(&[b'd', length[0], length[1], length[2], length[3]])
            .await
            .unwrap();
        stream.write_all(piece).await.unwrap();
    }
    stream.write_all(&message(b'c', b"")).await.unwrap();
    until(&mut stream, b'Z').await;
}

async fn put(stack: &Stack, bytes: Vec<u8>) {
    let keys = Credentials::new(
        stack.get("AWS_ACCESS_KEY_ID"),
        stack.get("AWS_SECRET_ACCESS_KEY"),
        None,
        None,
        "bench",
    );
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(stack.get("AWS_ENDPOINT_URL"))
        .credentials_provider(keys)
        .force_path_style(true)
        .build();
    let client = aws_sdk_s3::Client::from_conf(config);
    let put = client
        .put_object()
        .bucket("stagecopy")
        .key("bench/rows.parquet");
    put.body(bytes.into()).send().await.unwrap();
}

fn rate(took: Duration) -> f64 {
    ROWS as f64 / 1000.0 / took.as_secs_f64()
}

async fn measure(stack: &Stack) {
    let bytes = parquet();
    let size = bytes.len();
    put(stack, bytes).await;
    let rows = binary();
    println!(
        "{ROWS} rows of five columns: {} MiB of Parquet in {} row groups, {} MiB of binary COPY",
        size >> 20,
        ROWS / ROW_GROUP,
        rows.len() >> 20
    );
    let mut config = tokio_postgres::Config::new();
    config
        .host(stack.get("PGHOST"))
        .port(stack.get("PGPORT").parse().unwrap())
        .user(stack.get("PGUSER"))
        .password(stack.get("PGPASSWORD"))
        .dbname(stack.get("PGDATABASE"));
    let judge = connect(&config, stack).await;
    judge.batch_execute(TABLE).await.unwrap();
    let (admin, connection) = behind(stack, "postgres").connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    admin
        .batch_execute("CREATE DATABASE plain TEMPLATE template0")
        .await
        .unwrap();
    let (plain, connection) = behind(stack, "plain").connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    plain.batch_execute(TABLE).await.unwrap();
    let copy =
        "COPY measured FROM 's3://stagecopy/bench/rows.parquet' IAM_ROLE default FORMAT AS PARQUET";
    stack.forget_peak();
    let cpu = stack.cpu();
    let mut ratios = Vec::new();
    for pair in 0..=PAIRS {
        judge.batch_execute("TRUNCATE measured").await.unwrap();
        plain.batch_execute("TRUNCATE measured").await.unwrap();
        admin.batch_execute("CHECKPOINT").await.unwrap();
        let began = Instant::now();
        feed(stack, &rows).await;
        let fed = began.elapsed();
        admin.batch_execute("CHECKPOINT").await.unwrap();
        let began = Instant::now();
        judge.batch_execute(copy).await.unwrap();
        let copied = began.elapsed();
        // The first pair warms up.
        if pair > 0 {
            let ratio = fed.as_secs_f64() / copied.as_secs_f64();
            println!(
                "binary COPY {:5.0} krows/s, Parquet through the judge {:5.0} krows/s, ratio {ratio:.2}",
                rate(fed),
                rate(copied)
            );
            ratios.push(ratio);
        }
    }
    ratios.sort_by(f64::total_cmp);
    println!(
        "median ratio {:.2}; of the stack's process: {:.2} s of CPU a COPY, {} MiB of memory at most",
        ratios[PAIRS / 2],
        (stack.cpu() - cpu) / (PAIRS + 1) as f64,
        stack.peak()
    );
    let check =
        "SELECT count(*), count(name), sum(id)::text, min(at)::text, max(name) FROM measured";
    let same = |row: &tokio_postgres::Row| {
        let counts: (i64, i64) = (row.get(0), row.get(1));
        let texts: [String; 3] = [row.get(2), row.get(3), row.get(4)];
        format!("{counts:?} {texts:?}")
    };
    judge.batch_execute("SET timezone TO 'UTC'").await.unwrap();
    plain.batch_execute("SET timezone TO 'UTC'").await.unwrap();
    let (ours, theirs) = (
        judge.query_one(check, &[]).await.unwrap(),
        plain.query_one(check, &[]).await.unwrap(),
    );
    assert_eq!(same(&ours), same(&theirs));
}

fn main() {
    let stack = Stack::start();
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(measure(&stack));
}
