//! Which value holds, and every problem told at once.

use std::path::Path;

use super::*;
use crate::encode::Compression;
use crate::ledger::OnReplaced;
use crate::settings::file;
use crate::stage::RejectLimit;

/// `NAME=value` words as a map.
fn environment(words: &[&str]) -> Environment {
    words
        .iter()
        .map(|word| {
            let (name, text) = word.split_once('=').expect("a variable");
            (name.into(), text.into())
        })
        .collect()
}

/// `name=value` words as typed options; `=value` is an input.
fn typed(words: &[&str]) -> Typed {
    let mut typed = Typed::new();
    for word in words {
        let (name, text) = word.split_once('=').expect("an option");
        let name = if name.is_empty() {
            "input"
        } else {
            setting(name).name
        };
        typed.entry(name).or_default().push(text.into());
    }
    typed
}

fn resolved(
    command: CommandName,
    options: &[&str],
    variables: &[&str],
    file: &str,
) -> Result<Resolved, SettingsError> {
    let (file, problems) = file::read(Path::new("s.toml"), file);
    let values = gather(command, &typed(options), &environment(variables), &file);
    resolve(command, &values, problems)
}

const ENOUGH: &[&str] = &[
    "=data.json",
    "table=sales.events",
    "stage=s3://bucket/a/b/",
    "iam-role=default",
    "host=db.example.com",
    "user=loader",
    "database=dev",
];

fn export(options: &[&str], variables: &[&str], file: &str) -> Result<Export, SettingsError> {
    let options = [ENOUGH, options].concat();
    match resolved(CommandName::Export, &options, variables, file)?.command {
        Command::Export(export) => Ok(*export),
        other => panic!("{other:?}"),
    }
}

fn load(export: Export) -> Load {
    match export.destination {
        Destination::Redshift(load) => *load,
        Destination::Directory(path) => panic!("{}", path.display()),
    }
}

fn problems<T: std::fmt::Debug>(result: Result<T, SettingsError>) -> Vec<String> {
    let error = result.expect_err("refused");
    error.problems.iter().map(Problem::to_string).collect()
}

#[test]
fn defaults_are_values_a_user_could_give() {
    let export = export(&[], &[], "").expect("enough is given");
    assert_eq!(export.table.to_string(), "sales.events");
    let conversion = &export.conversion;
    assert_eq!(conversion.chunk_size, 16 << 20);
    assert_eq!(conversion.part_size, 32 << 20);
    assert_eq!(conversion.compression, Compression::Zstd(1));
    assert_eq!(conversion.threads, Threads::Available);
    assert_eq!(conversion.max_record_bytes, 16 << 20);
    assert_eq!(conversion.max_rejects, RejectLimit::Records(0));
    assert_eq!(conversion.spool_limit, 10 << 30);
    assert_eq!(export.inputs.inputs, [Input::Path("data.json".into())]);
    assert_eq!(export.inputs.scope, "");
    let load = load(export);
    assert_eq!(load.stage.to_string(), "s3://bucket/a/b");
    assert_eq!(load.authorization, CopyAuthorization::DefaultRole);
    assert_eq!(load.on_replaced, OnReplaced::Error);
    assert_eq!(load.same_content, SameContent::Judge);
    assert_eq!(load.parts_afterwards, PartsAfterwards::Delete);
    assert_eq!(load.writer, None);
    let database = load.database;
    assert_eq!(database.port, 5439);
    assert_eq!(database.tls.mode, TlsMode::VerifyFull);
    assert_eq!(database.tls.roots, TlsRoots::System);
    assert_eq!(database.connect_timeout, Duration::from_secs(10));
    assert_eq!(database.lock_timeout, Some(Duration::from_secs(600)));
    assert_eq!(database.copy_timeout, None);
    assert_eq!(database.application_name, "stagecopy");
}

#[test]
fn flag_beats_own_variable_beats_older_names_beats_file_beats_default() {
    let all = ["STAGECOPY_PORT=2", "REDSHIFT_PORT=3"];
    let port = |options: &[&str], variables: &[&str], file: &str| {
        load(export(options, variables, file).expect("enough is given"))
            .database
            .port
    };
    let file = "port = 4";
    assert_eq!(port(&["port=1"], &all, file), 1);
    assert_eq!(port(&[], &all, file), 2);
    assert_eq!(port(&[], &all[1..], file), 3);
    assert_eq!(port(&[], &["STAGECOPY_PORT=", "REDSHIFT_PORT="], file), 4);
    assert_eq!(port(&[], &[], ""), 5439);
}

#[test]
fn older_names_are_enough() {
    let variables = [
        "REDSHIFT_HOST=old.example.com",
        "REDSHIFT_PORT=5440",
        "REDSHIFT_USER=loader",
        "REDSHIFT_DB=dev",
        "REDSHIFT_TABLE=main_table",
        "PGPASSWORD=hunter2",
        "PGSSLMODE=verify-ca",
        "PGSSLROOTCERT=/ca.pem",
        "PGPASSFILE=/secrets/pgpass",
        "HOME=/root",
    ];
    let run = |variables: &[&str]| {
        let resolved = resolved(CommandName::Init, &[], variables, "").expect("enough is given");
        match resolved.command {
            Command::Init(init) => (*init, resolved.warnings),
            other => panic!("{other:?}"),
        }
    };
    let (init, warnings) = run(&variables);
    assert_eq!(init.table.to_string(), "public.main_table");
    let database = init.database;
    assert_eq!(
        (database.host.as_str(), database.port),
        ("old.example.com", 5440)
    );
    assert_eq!(database.tls.mode, TlsMode::VerifyCa);
    assert_eq!(database.tls.roots, TlsRoots::File("/ca.pem".into()));
    let given = database.password.given.expect("PGPASSWORD");
    assert_eq!(
        (given.secret.expose(), given.variable),
        (&b"hunter2"[..], "PGPASSWORD")
    );
    assert_eq!(database.password.file, Some("/secrets/pgpass".into()));
    assert_eq!(database.password.home, Some("/root".into()));
    assert_eq!(
        warnings,
        ["PGSSLMODE verify-ca: any server with a certificate of the same authority is trusted"]
    );
    let newer = [&variables[..], &["REDSHIFT_ENDPOINT=new.example.com"]].concat();
    assert_eq!(run(&newer).0.database.host, "new.example.com");
}

#[test]
fn all_problems_are_found_at_once() {
    let result = resolved(
        CommandName::Export,
        &[
            "=-",
            "port=x",
            "mode=upsert",
            "threads=0",
            "host=a",
            "host=b",
            "stage=s3://bucket",
        ],
        &["STAGECOPY_CHUNK_SIZE=1"],
        "max-rejects = 'some'\nsslmode = 'prefer'\nwrong = 1",
    );
    assert_eq!(
        problems(result),
        [
            "wrong in s.toml: there is no such setting",
            "--source: missing, and - is among the inputs",
            "STAGECOPY_CHUNK_SIZE: \"1\" is not between 1KiB and 4GiB",
            "--threads: \"0\" is neither available nor 1 to 1024",
            "max-rejects in s.toml: \"some\" is not a whole number",
            "--table: missing (or set STAGECOPY_TABLE or REDSHIFT_TABLE)",
            "--iam-role: missing (or set STAGECOPY_IAM_ROLE)",
            "--host: is given more than once",
            "--port: \"x\" is not a port (1 to 65535)",
            "--user: missing (or set STAGECOPY_USER or REDSHIFT_USER)",
            "--database: missing (or set STAGECOPY_DATABASE or REDSHIFT_DB)",
            "sslmode in s.toml: prefer may connect without encryption and not say so",
            "--mode: \"upsert\" is not append, the only choice",
        ]
    );
}

#[test]
fn nothing_is_needed_of_the_database_where_nothing_is_loaded() {
    let options = ["=data.json", "table=t", "stage=file:///tmp/parts"];
    let result = resolved(CommandName::Export, &options, &[], "").expect("enough is given");
    let Command::Export(export) = result.command else {
        panic!("{:?}", result.command);
    };
    assert!(
        matches!(export.destination, Destination::Directory(path) if path == Path::new("/tmp/parts"))
    );

    let plan = |options: &[&str]| resolved(CommandName::Plan, options, &[], "");
    let Ok(Command::Plan(planned)) = plan(&options[..2]).map(|resolved| resolved.command) else {
        panic!("enough is given");
    };
    assert!(planned.database.is_none());
    assert_eq!(
        problems(plan(&["=data.json", "table=t", "host=db", "database=dev"])).len(),
        1
    );
}

#[test]
fn exactly_one_authorization() {
    let role = "arn:aws:iam::123456789012:role/copy";
    let run = |variables: &[&str], options: &[&str]| {
        let options = [&ENOUGH[..3], &ENOUGH[4..], options].concat();
        let resolved = resolved(CommandName::Export, &options, variables, "")?;
        match resolved.command {
            Command::Export(export) => Ok(load(*export).authorization),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        run(&[], &["session-keys=true"]),
        Ok(CopyAuthorization::SessionKeys)
    );
    let variable = format!("STAGECOPY_IAM_ROLE={role}");
    assert_eq!(
        run(&[&variable], &[]),
        Ok(CopyAuthorization::Roles(vec![role.to_owned()]))
    );
    assert_eq!(
        problems(run(&[&variable], &["session-keys=true"])),
        ["--session-keys: cannot be used together with STAGECOPY_IAM_ROLE"]
    );
    assert_eq!(problems(run(&[], &["session-keys=perhaps"])).len(), 1);
    assert_eq!(problems(run(&[], &[])).len(), 1);
}

#[test]
fn plain_http_is_for_this_machine_or_must_be_allowed() {
    let url = |text: &str, options: &[&str]| {
        let variable = format!("AWS_ENDPOINT_URL={text}");
        let client = load(export(options, &[&variable], "")?).stage.client;
        Ok((client.endpoint_url.unwrap_or_default(), client.plain_http))
    };
    for local in [
        "https://s3.example.com",
        "http://127.0.0.1:4566",
        "http://[::1]:4566",
        "http://localhost",
    ] {
        assert_eq!(url(local, &[]), Ok((local.to_owned(), PlainHttp::Loopback)));
    }
    for other in [
        "http://localstack:4566",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
    ] {
        assert_eq!(
            problems(url(other, &[])),
            ["AWS_ENDPOINT_URL: is plain http over a network"]
        );
        let allowed = Ok((other.to_owned(), PlainHttp::Anywhere));
        assert_eq!(url(other, &["allow-http=true"]), allowed);
    }
}

#[test]
fn standard_input_needs_a_name_to_be_loaded() {
    let with_input = |input: &'static str, options: &[&str]| {
        let options = [&[input], &ENOUGH[1..], options].concat();
        resolved(CommandName::Export, &options, &[], "").map(|_| ())
    };
    assert_eq!(with_input("=-", &["source=batch-1"]), Ok(()));
    assert_eq!(problems(with_input("=-", &[])).len(), 1);
    assert_eq!(
        problems(with_input("=-", &["source="])),
        ["--source: is empty"]
    );
    assert_eq!(
        problems(with_input("=a", &["source=batch-1"])),
        ["--source: names standard input, but - is not among the inputs"]
    );
    assert_eq!(
        problems(with_input("=-", &["=-", "source=batch-1"])),
        ["INPUT: standard input is given more than once"]
    );
}

#[test]
fn inputs_are_told_apart() {
    let options = ["=./-", "=a:b", "=s3://bucket/a", "="];
    assert_eq!(
        problems(export(&options, &[], "")),
        [
            "INPUT: \"s3://bucket/a\" is a URL, not a path",
            "INPUT: is empty"
        ]
    );
    let export = export(&options[..2], &[], "").expect("enough is given");
    let path = |text: &str| Input::Path(text.into());
    assert_eq!(
        export.inputs.inputs,
        [path("data.json"), path("./-"), path("a:b")]
    );
}

#[test]
fn pachyderm_is_known_by_its_variables() {
    let writer =
        |variables: &[&str]| load(export(&[], variables, "").expect("enough is given")).writer;
    assert_eq!(
        writer(&["PPS_PROJECT_NAME=p", "PPS_PIPELINE_NAME=upload"]),
        Some(PachydermPipeline {
            project: Some("p".to_owned()),
            pipeline: "upload".to_owned(),
        })
    );
    assert_eq!(writer(&["PPS_PROJECT_NAME=p"]), None);
}

#[test]
fn colours_follow_no_color_unless_something_says_otherwise() {
    let color = |options: &[&str], variables: &[&str]| {
        resolved(CommandName::ConfigShow, options, variables, "")
            .expect("nothing is wrong")
            .terminal
            .color
    };
    assert_eq!(color(&[], &[]), ColorChoice::Auto);
    assert_eq!(color(&[], &["NO_COLOR=1"]), ColorChoice::Never);
    assert_eq!(color(&[], &["NO_COLOR="]), ColorChoice::Auto);
    assert_eq!(
        color(&["color=always"], &["NO_COLOR=1"]),
        ColorChoice::Always
    );
    assert_eq!(
        color(&[], &["NO_COLOR=1", "STAGECOPY_COLOR=auto"]),
        ColorChoice::Auto
    );
}

#[test]
fn config_show_shows_origins_and_no_secret() {
    let resolved = resolved(
        CommandName::ConfigShow,
        &["port=nonsense"],
        &[
            "PGPASSWORD=hunter2",
            "REDSHIFT_ENDPOINT=db",
            "AWS_ENDPOINT_URL=http://me:hunter2@s3",
        ],
        "user = 'loader'",
    )
    .expect("values are shown, not checked");
    let Command::ShowSettings(shown) = resolved.command else {
        panic!("{:?}", resolved.command);
    };
    assert!(!format!("{shown:?}").contains("hunter2"));
    let of = |name: &str| {
        let setting = shown
            .iter()
            .find(|setting| setting.name == name)
            .expect("shown");
        let origin = setting.origin.as_ref().map(ToString::to_string);
        (setting.values.join(" "), origin.unwrap_or_default())
    };
    let pair = |value: &str, origin: &str| (value.to_owned(), origin.to_owned());
    assert_eq!(of("port"), pair("nonsense", "flag"));
    assert_eq!(
        of("host"),
        pair("db", "environment variable REDSHIFT_ENDPOINT")
    );
    assert_eq!(of("user"), pair("loader", "file s.toml"));
    assert_eq!(of("sslmode"), pair("verify-full", "default"));
    assert_eq!(
        of("password"),
        pair("***", "environment variable PGPASSWORD")
    );
    assert_eq!(of("table"), pair("", ""));
}

#[test]
fn keys_are_taken_as_flags_variables_or_the_file_say() {
    let selection = |options: &[&str], variables: &[&str], file: &str| {
        let export = export(options, variables, file).expect("enough is given");
        export.conversion.selection.canonical()
    };
    let texts = ["a", "b,c"];
    for (options, variables, file) in [
        (&["select=ID,a,b", "rename=a=x"][..], &[][..], ""),
        (&["select=b", "select=a,id", "rename=A=X"], &[], ""),
        (&["rename=a=x"], &["STAGECOPY_SELECT=a, b, id"], ""),
        (
            &[],
            &["STAGECOPY_RENAME=a=x"],
            "select = [\"a\", \"b,id\"]\nrename = [\"b=y\"]",
        ),
    ] {
        assert_eq!(
            selection(options, variables, file),
            "only {\"a\", \"b\", \"id\"} {(\"a\", \"x\")}",
            "{options:?} {variables:?} {file}"
        );
    }
    assert_eq!(
        selection(&["exclude=\"b,c\"", "exclude=a"], &[], ""),
        format!("{:?} {{}}", std::collections::BTreeSet::from(texts))
    );
    let schema = export(&["schema=s.toml"], &[], "").expect("enough is given");
    assert_eq!(schema.conversion.schema_file, Some("s.toml".into()));
    assert_eq!(schema.conversion.lineage, Lineage::AsDeclared);
    let lineage = export(&[], &["STAGECOPY_LINEAGE=yes"], "").expect("enough is given");
    assert_eq!(lineage.conversion.lineage, Lineage::Wanted);
}
