//! Schema files as foreign readers see them, and whole loads by them; keys that are selected, excluded and renamed; lineage.

use std::path::Path;
use std::process::Command;

use crate::support::*;

/// What Python's TOML reader and the published JSON Schema say of files, a line each.
fn judged(files: &[&Path]) -> Vec<String> {
    let output = Command::new(root().join("tests/foreign/python"))
        .arg(root().join("tests/foreign/schema_file.py"))
        .arg(root().join("schemas/schema-file.json"))
        .args(files)
        .output()
        .expect("Python starts");
    let lines = Run::of(output).expect(0).stdout;
    lines.lines().map(str::to_owned).collect()
}

#[test]
fn the_published_schema_takes_what_is_right_and_nothing_else() {
    let folder = Folder::new();
    let column = |lines: &str| format!("version = 1\n[[column]]\nname = \"c\"\n{lines}\n");
    let date = |before: &str, after: &str| {
        format!("version = 1\n{before}\n[[column]]\nname = \"c\"\ntype = \"DATE\"\n{after}\n")
    };
    let right = [
        column("type = \"character varying(32)\"\nkey = \"\""),
        column("type = \"timestamp(6) with time zone\"\ndefault = 2024-02-29T01:02:03Z"),
        column(
            "type = \"DECIMAL(38, 0)\"\ndefault = 99999999999999999999999999999999999999\nencode = \"AZ64\"",
        ),
        column("type = \"varbyte\"\nbytes = \"hex\"\npath = [\"a\", \"b.c\", \"\"]"),
        column("type = \"DATE\"\nfrom_path = 'dt=([^/]+)'\nrequired = true\nnullable = false"),
        date("exclude = [\"x\"]", ""),
        date(
            "select = [\"c\"]",
            "[table]\ndiststyle = \"key\"\ndistkey = \"c\"",
        ),
        date(
            "",
            "[table]\nsortkey = [\"c\"]\nsortstyle = \"interleaved\"",
        ),
        date("", "[table]\nsortkey = \"auto\"\ndiststyle = \"even\""),
    ];
    let wrong = [
        "version = 1\n".to_owned(),
        "version = 2\n[[column]]\nname = \"c\"\ntype = \"DATE\"\n".to_owned(),
        "version = 1\n[[column]]\nname = \"\"\ntype = \"DATE\"\n".to_owned(),
        "version = 1\n[[column]]\nname = \"ctid\"\ntype = \"DATE\"\n".to_owned(),
        "version = 1\n[[column]]\nname = \"a\\tb\"\ntype = \"DATE\"\n".to_owned(),
        "version = 1\n[[column]]\nname = \"stagecopy_line\"\ntype = \"BIGINT\"\n".to_owned(),
        column(""),
        column("type = 1"),
        column("type = \"VARCHAR(32\""),
        column("type = \"DATE\"\ntpye = \"DATE\""),
        column("type = \"DATE\"\nnullable = \"no\""),
        column("type = \"DATE\"\nencode = \"gzip\""),
        column("type = \"DATE\"\nbytes = \"hex\""),
        column("type = \"DATE\"\npath = \"a\""),
        column("type = \"DATE\"\npath = \"a..b\""),
        column("type = \"DATE\"\npath = [\"a\"]"),
        column("type = \"DATE\"\nkey = \"a\"\npath = \"a.b\""),
        column("type = \"DATE\"\nfrom_path = \"dt=([^/]+\""),
        column("type = \"DATE\"\nfrom_path = \"(.)\"\ndefault = \"2024-01-01\""),
        column("type = \"VARCHAR(32)\"\nlineage = \"source\""),
        column("type = \"DATE\"\ndefault = [1]"),
        date("selected = [\"c\"]", ""),
        date("select = []", ""),
        date("select = [\"c\"]\nexclude = [\"d\"]", ""),
        date("", "[table]\ndiststyle = \"key\""),
        date("", "[table]\ndiststyle = \"even\"\ndistkey = \"c\""),
        date("", "[table]\nsortstyle = \"compound\""),
        date("", "[table]\nsortkey = \"auto\"\nsortstyle = \"compound\""),
        date("", "[table]\nsortkey = [\"c\", \"c\"]"),
    ];
    let mut files = vec![root().join("examples/orders.schema.toml")];
    for (number, text) in right.iter().chain(&wrong).enumerate() {
        files.push(folder.file(&format!("{number}.toml"), text));
    }
    let paths: Vec<&Path> = files.iter().map(|path| path.as_path()).collect();
    let verdicts = judged(&paths);
    assert_eq!(verdicts.len(), files.len());
    for ((verdict, path), place) in verdicts.iter().zip(&files).zip(0..) {
        let text = std::fs::read_to_string(path).expect("a file");
        let is_right = place <= right.len();
        assert_eq!(verdict == "valid", is_right, "{verdict}:\n{text}");
        // the program and the schema are of one mind
        let read = stagecopy::schema_file::read(&text);
        assert_eq!(read.is_ok(), is_right, "{read:?}:\n{text}");
    }
}

/// A schema file of these columns, each a name, a type and further lines.
fn schema_file(columns: &[(&str, &str, &str)]) -> String {
    let column = |(name, kind, more): &(&str, &str, &str)| {
        format!("[[column]]\nname = \"{name}\"\ntype = \"{kind}\"\n{more}\n")
    };
    let columns: String = columns.iter().map(column).collect();
    format!("version = 1\n{columns}")
}

fn plan(table: &str, input: &Path) -> Command {
    let mut command = stagecopy();
    command.arg("plan").arg(input).args(["--table", table]);
    command
}

/// Name, type, encoding, whether it is the distribution key, place in the sort key, NOT NULL.
fn definition(table: &str) -> String {
    sql(&format!(
        "SELECT \"column\", type, encoding, distkey, sortkey, \"notnull\" FROM pg_table_def \
         WHERE schemaname = 'public' AND tablename = '{table}'"
    ))
}

#[test]
fn a_table_is_made_from_a_schema_file_with_everything_in_it() {
    let (table, stage) = (unique("declared"), stage());
    let (file, schema) = (
        root().join("examples/orders.json"),
        root().join("examples/orders.schema.toml"),
    );
    let schema = schema.to_str().expect("UTF-8");
    let options = ["--schema", schema, "--stage", &stage, "--scope", "shop"];
    let report = run(export(&table, &[&file]).args(options)).expect(0).json();
    assert_eq!(report["records"]["loaded"], 3);
    assert_eq!(copies(&stage).len(), 1, "one COPY");
    assert_eq!(
        definition(&table),
        "order_id|bigint|none|t|2|t\n\
         customer|character varying(128)|zstd|f|0|f\n\
         vat_id|character(16)|lzo|f|0|f\n\
         placed_at|timestamp with time zone|none|f|1|f\n\
         total|numeric(12,2)|az64|f|0|f\n\
         is_paid|boolean|none|f|0|f\n\
         tags|super|zstd|f|0|f\n\
         ship_on|date|az64|f|0|f\n\
         channel|character varying(16)|lzo|f|0|f\n\
         file|character varying(256)|lzo|f|0|f\n\
         stagecopy_source|character varying(32)|lzo|f|0|f\n\
         stagecopy_line|bigint|az64|f|0|f"
    );
    let style = sql(&format!(
        "SELECT reldiststyle FROM pg_class_info WHERE reloid = '{table}'::regclass"
    ));
    assert_eq!(style, "1");
    assert_eq!(
        sql(&format!(
            "SELECT order_id, customer, trim(vat_id), placed_at AT TIME ZONE 'UTC', total, is_paid, JSON_SERIALIZE(tags), ship_on, \
             channel, file, stagecopy_line FROM {table} ORDER BY order_id"
        )),
        "1001|Grüner Garten GmbH|DE811569869|2026-03-01 08:15:30|129.90|t|[\"garden\",\"b2b\"]|2026-03-03|shop|orders|1\n\
         1002|O'Neill & Sons||2026-03-01 08:02:11.125|18.50|f|null||shop|orders|2\n\
         9007199254740993|山田商店||2026-03-02 04:59:59.999999|0.10|t|[]|2026-03-02|shop|orders|3"
    );
    let content = std::fs::read(&file).expect("a file");
    let name = file.to_str().expect("UTF-8");
    let id = stagecopy::ledger::source_id("shop", name, &blake3::hash(&content).to_hex());
    assert_eq!(
        sql(&format!("SELECT DISTINCT stagecopy_source FROM {table}")),
        id
    );
    let notes = report["notes"].to_string();
    assert!(notes.contains("\\\"note\\\" (1)"), "{notes}");
    assert_eq!(
        sql(&format!(
            "SELECT DISTINCT lineage FROM stagecopy_ledger__public__{table}"
        )),
        "t"
    );
    // the table is as declared, and the source known
    let again = run(export(&table, &[&file]).args(options)).expect(0).json();
    assert_eq!(again["outcome"], "already_loaded");
}

#[test]
fn what_plan_writes_is_taken_by_export_and_kept() {
    let (table, folder) = (unique("written"), Folder::new());
    let file = root().join("examples/orders.json");
    let out = folder.path().join("orders.toml");
    let out_text = out.to_str().expect("UTF-8");
    for _ in 0..2 {
        let plan = run(plan(&table, &file).args(["--schema-out", out_text])).expect(0);
        assert!(plan.stdout.contains(out_text), "{}", plan.stdout);
    }
    assert_eq!(judged(&[&out]), ["valid"]);
    let written = std::fs::read_to_string(&out).expect("a file");
    assert!(
        written.contains("# 3 texts (longest 32 bytes)\n[[column]]\nname = \"placed_at\"\ntype = \"TIMESTAMPTZ\"\n"),
        "{written}"
    );
    let printed = run(plan(&table, &file).args(["--schema-out", "-"])).expect(0);
    assert_eq!(printed.stdout, written);
    let more = ["--lineage", "--schema-out", out_text];
    let kept = run(plan(&table, &file).args(more)).expect(2);
    kept.hints();
    assert!(
        kept.error().contains("says something else"),
        "{}",
        kept.error()
    );
    assert_eq!(std::fs::read_to_string(&out).expect("a file"), written);
    run(export(&table, &[&file]).args(["--schema", out_text])).expect(0);
    assert_eq!(equal(&table, &[&file]), "equal: 3 rows, 8 columns");
    // from the table, which is there now, the same columns come
    let again = run(plan(&table, &file).args(["--schema-out", "-"]))
        .expect(0)
        .stdout;
    let columns = |text: &str| {
        let lines = text
            .lines()
            .filter(|line| line.starts_with("name") || line.starts_with("type"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(columns(&again), columns(&written));
}

#[test]
fn bytes_are_loaded_as_declared() {
    let (table, folder) = (unique("bytes"), Folder::new());
    let schema = folder.file(
        "s.toml",
        schema_file(&[
            ("id", "INTEGER", "nullable = false"),
            ("hex", "VARBYTE(8)", "bytes = \"hex\""),
            ("base64", "VARBYTE(8)", "bytes = \"base64\""),
        ]),
    );
    let file = folder.file(
        "a.json",
        "{\"id\":1,\"hex\":\"00fF\",\"base64\":\"AP8=\"}\n{\"id\":2,\"hex\":\"\",\"base64\":null}\n",
    );
    let schema = schema.to_str().expect("UTF-8");
    run(export(&table, &[&file]).args(["--schema", schema])).expect(0);
    assert_eq!(
        sql(&format!(
            "SELECT id, to_hex(hex), to_hex(base64), hex = base64 FROM {table} ORDER BY id"
        )),
        "1|00ff|00ff|t\n2|||"
    );
    let odd = folder.file("b.json", "{\"id\":3,\"hex\":\"AP8=\"}\n");
    let refused = run(export(&table, &[&odd]).args(["--schema", schema])).expect(3);
    assert!(
        refused.stderr.contains("column \"hex\" is VARBYTE(8)"),
        "{}",
        refused.stderr
    );
}

#[test]
fn values_come_out_of_objects_and_names() {
    let (table, folder) = (unique("lifted"), Folder::new());
    let schema = folder.file(
        "s.toml",
        schema_file(&[
            ("dt", "DATE", "from_path = 'dt=([^/]+)'"),
            ("id", "BIGINT", "path = \"payload.user.id\""),
            ("dotted", "VARCHAR(8)", "path = [\"payload\", \"a.b\"]"),
            ("payload", "SUPER", ""),
            ("renamed", "BOOLEAN", "key = \"Old Key\""),
        ]),
    );
    let schema = schema.to_str().expect("UTF-8");
    folder.file(
        "in/dt=2026-01-31/a.json",
        "{\"payload\":{\"user\":{\"id\":7},\"a.b\":\"x\"},\"OLD KEY\":true}\n{\"payload\":null}\n",
    );
    folder.file("in/dt=2026-02-01/a.json", "{\"payload\":{}}\n");
    let input = folder.path().join("in");
    run(export(&table, &[&input]).args(["--schema", schema])).expect(0);
    assert_eq!(
        sql(&format!(
            "SELECT dt, id, dotted, JSON_SERIALIZE(payload), renamed FROM {table} ORDER BY dt, id NULLS LAST"
        )),
        "2026-01-31|7|x|{\"user\":{\"id\":7},\"a.b\":\"x\"}|t\n2026-01-31|||null|\n2026-02-01|||{}|"
    );
    let nameless = folder.file("other/a.json", "{}\n");
    let refused = run(export(&table, &[&nameless]).args(["--schema", schema])).expect(2);
    refused.hints();
    assert!(
        refused.error().contains("does not match the pattern"),
        "{}",
        refused.error()
    );
}

#[test]
fn required_keys_and_values_are_wanted_of_every_record() {
    let (table, folder) = (unique("wanted"), Folder::new());
    let schema = folder.file(
        "s.toml",
        schema_file(&[
            ("key", "BIGINT", "required = true"),
            ("value", "BIGINT", "nullable = false\ndefault = 5"),
            ("never", "BIGINT", "default = 7"),
            ("sometimes", "BIGINT", "default = 9"),
        ]),
    );
    let file = folder.file(
        "a.json",
        "{\"key\":null,\"value\":1}\n{\"key\":1,\"value\":2,\"sometimes\":1}\n{\"value\":1}\n{\"key\":1}\n{\"key\":1,\"value\":null}\n",
    );
    let schema = schema.to_str().expect("UTF-8");
    let report = run(export(&table, &[&file]).args(["--schema", schema, "--max-rejects", "3"]))
        .expect(0)
        .json();
    assert_eq!(report["records"]["rejected"], 3);
    assert_eq!(
        report["rejects"][0]["reason"],
        "no value for column \"key\", which is required"
    );
    // the default of a column that is never seen; one that is seen has NULL where it is missing
    assert_eq!(
        sql(&format!(
            "SELECT key, value, never, sometimes FROM {table} ORDER BY value"
        )),
        "|1|7|\n1|2|7|1"
    );
    sql(&format!("INSERT INTO {table} (key) VALUES (3)"));
    assert_eq!(
        sql(&format!(
            "SELECT value, never, sometimes FROM {table} WHERE key = 3"
        )),
        "5|7|9"
    );
}

#[test]
fn defaults_and_attributes_of_every_kind_are_taken_by_the_server() {
    let (table, folder) = (unique("defaults"), Folder::new());
    let mut text = schema_file(&[
        ("id", "BIGINT", "encode = \"delta\""),
        ("yes", "BOOLEAN", "default = true\nencode = \"runlength\""),
        (
            "small",
            "SMALLINT",
            "default = -32768\nencode = \"mostly8\"",
        ),
        (
            "exact",
            "DECIMAL(5,2)",
            "default = 1.50\nencode = \"mostly32\"",
        ),
        ("real", "REAL", "default = 0.5\nencode = \"bytedict\""),
        (
            "double",
            "DOUBLE PRECISION",
            "default = 1e-3\nencode = \"zstd\"",
        ),
        (
            "date",
            "DATE",
            "default = 2024-02-29\nencode = \"delta32k\"",
        ),
        ("time", "TIME", "default = 07:32:00.5\nencode = \"az64\""),
        ("at", "TIMESTAMP", "default = 2024-02-29T07:32:00"),
        (
            "instant",
            "TIMESTAMPTZ",
            "default = 2024-02-29T07:32:00-08:00\nencode = \"lzo\"",
        ),
        ("code", "CHAR(4)", "default = \"a\\\\'\""),
        (
            "name",
            "VARCHAR(32)",
            "default = \"it's \\\\ é\"\nencode = \"text255\"",
        ),
        ("long", "VARCHAR(64)", "encode = \"text32k\""),
        ("tree", "SUPER", "encode = \"zstd\""),
        ("bytes", "VARBYTE(8)", "bytes = \"hex\"\nencode = \"raw\""),
    ]);
    text.push_str("[table]\ndiststyle = \"even\"\nsortkey = [\"date\", \"id\"]\nsortstyle = \"interleaved\"\n");
    let schema = folder.file("s.toml", &text);
    let schema = ["--schema", schema.to_str().expect("UTF-8")];
    let file = folder.file("a.json", "{\"id\":1}\n");
    run(export(&table, &[&file]).args(schema)).expect(0);
    assert_eq!(
        sql(&format!(
            "SELECT yes, small, exact, real, double, date, time, at, instant AT TIME ZONE 'UTC', code, name, long, tree FROM {table}"
        )),
        "t|-32768|1.50|0.5|0.001|2024-02-29|07:32:00.5|2024-02-29 07:32:00|2024-02-29 15:32:00|a\\' |it's \\ é||"
    );
    assert!(
        definition(&table).contains("date|date|delta32k|f|1|f"),
        "{}",
        definition(&table)
    );
    assert!(
        definition(&table).contains("id|bigint|delta|f|-2|f"),
        "{}",
        definition(&table)
    );
    // what the server made of it is what is declared
    let later = folder.file("b.json", "{\"id\":2}\n");
    run(export(&table, &[&later]).args(schema)).expect(0);
}

#[test]
fn odd_names_are_names_of_columns() {
    let (table, folder) = (unique("names"), Folder::new());
    // as long as the local Redshift has names
    let long = "x".repeat(63);
    let names = ["select", "tag", "a b", "é", "\\\"", "'", "1", "a.b", &long];
    let columns: Vec<(&str, &str, &str)> = names.iter().map(|name| (*name, "BIGINT", "")).collect();
    let schema = folder.file("s.toml", schema_file(&columns));
    let members: Vec<String> = names.iter().map(|name| format!("\"{name}\":1")).collect();
    let file = folder.file("a.json", format!("{{{}}}\n", members.join(",")));
    run(export(&table, &[&file]).args(["--schema", schema.to_str().expect("UTF-8")])).expect(0);
    let ones = vec!["1"; names.len()].join("|");
    assert_eq!(sql(&format!("SELECT * FROM {table}")), ones);
    let renamed = unique("renamed_names");
    let rename: Vec<String> = (names.iter().zip(0..))
        .map(|(name, number)| match *name {
            "\\\"" => format!("\"\"\"\"=c{number}"),
            name => format!("\"{name}\"=c{number}"),
        })
        .collect();
    run(export(&renamed, &[&file]).args(["--rename", &rename.join(",")])).expect(0);
    assert_eq!(sql(&format!("SELECT * FROM {renamed}")), ones);
}

#[test]
fn a_table_that_is_not_as_declared_is_told_of_whole_and_evolves_up_to_it() {
    let (table, folder) = (unique("differs"), Folder::new());
    sql(&format!(
        "CREATE TABLE {table} (id BIGINT, name VARCHAR(4), kind INTEGER, made TIMESTAMP DEFAULT '2024-01-01')"
    ));
    let file = folder.file(
        "a.json",
        "{\"id\":1,\"name\":\"abcdefgh\",\"new\":\"x\",\"kind\":1}\n",
    );
    let columns = |kind| {
        schema_file(&[
            ("id", "BIGINT", ""),
            ("name", "VARCHAR(16)", ""),
            ("kind", kind, ""),
            ("new", "VARCHAR(8)", "default = \"none\"\nencode = \"zstd\""),
        ])
    };
    let wrong = folder.file("wrong.toml", columns("BIGINT"));
    let right = folder.file("right.toml", columns("INTEGER"));
    let add = format!(
        "ALTER TABLE \"public\".\"{table}\" ADD COLUMN \"new\" VARCHAR(8) DEFAULT 'none' ENCODE ZSTD;"
    );
    let widen =
        format!("ALTER TABLE \"public\".\"{table}\" ALTER COLUMN \"name\" TYPE VARCHAR(16);");
    let with = |command: &mut Command, schema: &Path, evolve: &str| {
        let schema = schema.to_str().expect("UTF-8").to_owned();
        run(command.args(["--schema", &schema, "--evolve", evolve]))
    };
    for refused in [
        with(&mut plan(&table, &file), &wrong, "all").expect(2),
        with(&mut export(&table, &[&file]), &wrong, "none").expect(2),
    ] {
        refused.hints();
        for line in [
            "column \"kind\" is INTEGER, and declared as BIGINT",
            &add,
            &widen,
        ] {
            assert!(
                refused.stderr.contains(line),
                "{line} not in\n{}",
                refused.stderr
            );
        }
    }
    let columns_only = with(&mut export(&table, &[&file]), &right, "columns").expect(2);
    assert!(
        columns_only.stderr.contains(&widen),
        "{}",
        columns_only.stderr
    );
    let planned = with(&mut plan(&table, &file), &right, "all")
        .expect(0)
        .stdout;
    assert!(
        planned.contains(&add) && planned.contains(&widen),
        "{planned}"
    );
    let report = with(&mut export(&table, &[&file]), &right, "all")
        .expect(0)
        .json();
    let notes = report["notes"].to_string();
    assert!(notes.contains("which get their defaults: made"), "{notes}");
    assert_eq!(
        sql(&format!("SELECT id, name, kind, new, made FROM {table}")),
        "1|abcdefgh|1|x|2024-01-01 00:00:00"
    );
    // nothing is left to be changed
    let later = folder.file("b.json", "{\"id\":2}\n");
    with(&mut export(&table, &[&later]), &right, "none").expect(0);
    assert_eq!(
        sql(&format!("SELECT name, new FROM {table} WHERE id = 2")),
        "|none"
    );
}

#[test]
fn keys_without_a_column_are_unknown_with_a_schema_file_too() {
    let folder = Folder::new();
    let file = folder.file(
        "a.json",
        "{\"id\":1,\"more\":[1]}\n{\"id\":2,\"other\":null}\n",
    );
    let without = folder.file("without.toml", schema_file(&[("id", "BIGINT", "")]));
    let with = folder.file(
        "with.toml",
        schema_file(&[("id", "BIGINT", ""), ("others", "SUPER", "")]),
    );
    let load = |schema: &Path, more: &[&str]| {
        let table = unique("unknown");
        let schema = schema.to_str().expect("UTF-8").to_owned();
        let run = run(export(&table, &[&file])
            .args(["--schema", &schema])
            .args(more));
        (table, run)
    };
    let (_, refused) = load(&without, &[]);
    assert!(
        refused
            .expect(3)
            .stderr
            .contains("no column for key \"more\"")
    );
    let (table, ignored) = load(&without, &["--unknown-keys", "ignore"]);
    assert!(ignored.expect(0).stdout.contains("\\\"more\\\" (1)"));
    assert_eq!(sql(&format!("SELECT * FROM {table} ORDER BY id")), "1\n2");
    let (_, undeclared) = load(&without, &["--unknown-keys", "rest"]);
    let undeclared = undeclared.expect(2);
    undeclared.hints();
    assert!(
        undeclared.error().contains("declares no SUPER column rest"),
        "{}",
        undeclared.error()
    );
    let rest = ["--unknown-keys", "rest", "--rest-column", "others"];
    let (table, rest) = load(&with, &rest);
    rest.expect(0);
    assert_eq!(
        sql(&format!(
            "SELECT id, JSON_SERIALIZE(others) FROM {table} ORDER BY id"
        )),
        "1|{\"more\":[1]}\n2|{\"other\":null}"
    );
}

#[test]
fn keys_are_selected_excluded_and_renamed() {
    let folder = Folder::new();
    let file = folder.file(
        "a.json",
        "{\"Id\":1,\"name\":\"x\",\"debug\":{\"a\":1}}\n{\"Id\":2,\"name\":null,\"trace\":\"y\"}\n",
    );
    let load = |table: &str, more: &[&str]| run(export(table, &[&file]).args(more));
    for (more, columns, rows) in [
        (&["--select", "ID,Name"][..], "id|name", "1|x\n2|"),
        (
            &["--exclude", "debug", "--exclude", "trace"],
            "id|name",
            "1|x\n2|",
        ),
        (
            &["--select", "id,name", "--rename", "id=Key,name=id"],
            "key|id",
            "1|x\n2|",
        ),
        (
            &["--rename", "debug=info", "--exclude", "trace"],
            "id|name|info",
            "1|x|{\"a\":1}\n2||",
        ),
    ] {
        let table = unique("selected");
        let report = load(&table, more).expect(0).json();
        assert_eq!(report["records"]["loaded"], 2);
        let names = sql(&format!(
            "SELECT column_name FROM information_schema.columns WHERE table_name = '{table}' ORDER BY ordinal_position"
        ));
        assert_eq!(names.replace('\n', "|"), columns, "{more:?}");
        assert_eq!(
            sql(&format!("SELECT * FROM {table} ORDER BY 1")),
            rows,
            "{more:?}"
        );
        assert!(
            report["notes"].to_string().contains("\\\"trace\\\" (1)"),
            "{report}"
        );
        // the same keys of later records are taken by the table's columns
        let later = folder.file(&format!("{table}.json"), "{\"Id\":3,\"name\":\"z\"}\n");
        run(export(&table, &[&later]).args(more)).expect(0);
        assert_eq!(sql(&format!("SELECT COUNT(*) FROM {table}")), "3");
    }
}

#[test]
fn selected_keys_must_have_columns_where_there_is_a_table() {
    let (table, folder) = (unique("narrow"), Folder::new());
    sql(&format!(
        "CREATE TABLE {table} (id BIGINT NOT NULL, name VARCHAR(8))"
    ));
    let file = folder.file("a.json", "{\"id\":1,\"nick\":\"x\",\"age\":3}\n");
    let load = |more: &[&str]| run(export(&table, &[&file]).args(more));
    let misspelt = load(&["--select", "id,nik"]).expect(2);
    misspelt.hints();
    assert!(
        misspelt
            .error()
            .contains("there is no column \"nik\" for key \"nik\""),
        "{}",
        misspelt.error()
    );
    let lacking = load(&["--select", "nick", "--rename", "nick=name"]).expect(2);
    assert!(
        lacking
            .error()
            .contains("key \"id\" is left out, and column \"id\" takes no NULL"),
        "{}",
        lacking.error()
    );
    load(&[
        "--select",
        "id,nick,age",
        "--rename",
        "nick=name,age=years",
        "--evolve",
        "columns",
    ])
    .expect(0);
    assert_eq!(
        sql(&format!("SELECT id, name, years FROM {table}")),
        "1|x|3"
    );
}

#[test]
fn rows_carry_their_source_and_line() {
    let (table, folder) = (unique("lineage"), Folder::new());
    let lines = folder.file("in/a.json", "{\"id\":1}\n\n{\"id\":\n2}\n{\"id\":3}\n");
    let array = folder.file("in/b.json", "[\n{\"id\":4},\n\n{\"id\":5}]\n");
    let input = folder.path().join("in");
    run(export(&table, &[&input]).arg("--lineage")).expect(0);
    let id = |path: &Path| {
        let content = std::fs::read(path).expect("a file");
        let name = path.to_str().expect("UTF-8");
        stagecopy::ledger::source_id("", name, &blake3::hash(&content).to_hex())
    };
    let rows = |where_| {
        sql(&format!(
            "SELECT id, stagecopy_source, stagecopy_line FROM {table} {where_} ORDER BY id"
        ))
    };
    let (a, b) = (id(&lines), id(&array));
    assert_eq!(
        rows(""),
        format!("1|{a}|1\n2|{a}|3\n3|{a}|5\n4|{b}|2\n5|{b}|4")
    );
    let of_ledger = |number: u32| {
        sql(&format!(
            "SELECT DISTINCT lineage, options FROM stagecopy_ledger__public__{table} WHERE load_number = {number}"
        ))
    };
    assert_eq!(of_ledger(1), "t|1 lineage");
    // a table that has the columns gets them filled, asked for or not
    let later = folder.file("c.json", "{\"id\":6}\n");
    run(&mut export(&table, &[&later])).expect(0);
    assert_eq!(rows("WHERE id = 6"), format!("6|{}|1", id(&later)));
    assert_eq!(of_ledger(2), "t|1 lineage");
    // and records do not fill them
    let forged = folder.file("d.json", "{\"id\":7,\"stagecopy_line\":1}\n");
    let refused = run(&mut export(&table, &[&forged])).expect(3);
    assert!(
        refused
            .stderr
            .contains("no column for key \"stagecopy_line\""),
        "{}",
        refused.stderr
    );
}

#[test]
fn lineage_wants_its_columns() {
    let (table, folder) = (unique("plain"), Folder::new());
    let file = folder.file("a.json", "{\"id\":1}\n");
    run(&mut export(&table, &[&file])).expect(0);
    let of_ledger = sql(&format!(
        "SELECT DISTINCT lineage, options FROM stagecopy_ledger__public__{table}"
    ));
    assert_eq!(of_ledger, "f|1");
    let later = folder.file("b.json", "{\"id\":2}\n");
    let refused = run(export(&table, &[&later]).arg("--lineage")).expect(2);
    refused.hints();
    assert!(
        refused
            .stderr
            .contains("ADD COLUMN \"stagecopy_source\" VARCHAR(32)"),
        "{}",
        refused.stderr
    );
    run(export(&table, &[&later]).args(["--lineage", "--evolve", "columns"])).expect(0);
    assert_eq!(
        sql(&format!(
            "SELECT id, stagecopy_line FROM {table} ORDER BY id"
        )),
        "1|\n2|1"
    );
    let schema = folder.file("s.toml", schema_file(&[("id", "BIGINT", "")]));
    let schema = schema.to_str().expect("UTF-8");
    let refused = run(export(&table, &[&later]).args(["--lineage", "--schema", schema])).expect(2);
    refused.hints();
    assert!(
        refused
            .error()
            .contains("declares no column stagecopy_source and no stagecopy_line"),
        "{}",
        refused.error()
    );
    let other = unique("wrong_lineage");
    sql(&format!(
        "CREATE TABLE {other} (id BIGINT, stagecopy_source BIGINT, stagecopy_line BIGINT)"
    ));
    let refused = run(export(&other, &[&file]).arg("--lineage")).expect(2);
    assert!(
        refused.error().contains("must be VARCHAR(32)"),
        "{}",
        refused.error()
    );
    // a key of such a name makes no column of a new table
    let forged = folder.file("d.json", "{\"stagecopy_source\":\"x\"}\n");
    let refused = run(&mut export(&unique("forged"), &[&forged])).expect(1);
    refused.hints();
    run(export(&unique("forged"), &[&forged]).args(["--rename", "stagecopy_source=origin"]))
        .expect(0);
}

#[test]
fn mended_rejects_are_loaded_by_the_same_schema_file() {
    let (table, folder) = (unique("mended"), Folder::new());
    let schema = folder.file(
        "s.toml",
        schema_file(&[
            ("id", "BIGINT", "key = \"key\""),
            ("inner", "BIGINT", "path = \"a.b\""),
            ("stagecopy_source", "VARCHAR(32)", "lineage = \"source\""),
            ("stagecopy_line", "BIGINT", "lineage = \"line\""),
        ]),
    );
    let schema = schema.to_str().expect("UTF-8");
    let file = folder.file("a.json", "{\"key\":1}\n{\"key\":\"x\",\"a\":{\"b\":7}}\n");
    let rejects = folder.path().join("rejects");
    let rejects = rejects.to_str().expect("UTF-8");
    let report = run(export(&table, &[&file]).args([
        "--schema",
        schema,
        "--max-rejects",
        "1",
        "--rejects",
        rejects,
    ]))
    .expect(0)
    .json();
    let rejected = report["rejects_files"][0].as_str().expect("a file");
    let rejected = std::fs::read_to_string(rejected.trim_start_matches("file://")).expect("a file");
    let mended = folder.file(
        "mended.jsonl",
        format!("\n{}", rejected.replace("\"x\"", "2")),
    );
    run(export(&table, &[&mended]).args(["--schema", schema, "--input-format", "rejects"]))
        .expect(0);
    // the source and the line are those of the mended file
    let content = std::fs::read(&mended).expect("a file");
    let name = mended.to_str().expect("UTF-8");
    let id = stagecopy::ledger::source_id("", name, &blake3::hash(&content).to_hex());
    assert_eq!(
        sql(&format!(
            "SELECT id, \"inner\", stagecopy_line, stagecopy_source = '{id}' FROM {table} ORDER BY id"
        )),
        "1||1|f\n2|7|2|t"
    );
}

#[test]
fn a_source_loaded_under_another_schema_file_is_told_of() {
    let (table, folder) = (unique("shapes"), Folder::new());
    let file = folder.file("a.json", "{\"id\":1,\"other\":2}\n");
    let columns =
        |key: &str, more: &str| schema_file(&[("id", "BIGINT", &format!("key = \"{key}\"{more}"))]);
    let first = folder.file("first.toml", columns("id", ""));
    let commented = folder.file(
        "same.toml",
        format!("# the same\n{}", columns("ID", "\nencode = \"raw\"")),
    );
    let second = folder.file("second.toml", columns("other", ""));
    let load = |schema: &Path| {
        let schema = schema.to_str().expect("UTF-8");
        let more = ["--schema", schema, "--unknown-keys", "ignore"];
        run(export(&table, &[&file]).args(more)).expect(0).json()
    };
    load(&first);
    assert_eq!(load(&commented)["warnings"], serde_json::json!([]));
    let warnings = load(&second)["warnings"].to_string();
    assert!(warnings.contains("options"), "{warnings}");
}

#[test]
fn the_commands_of_the_readme_do_what_it_says() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("a file");
    let (_, section) = readme.split_once("### Schema files").expect("the section");
    let block = section.split("```").nth(1).expect("commands");
    let folder = Folder::new();
    std::os::unix::fs::symlink(root().join("examples"), folder.path().join("examples"))
        .expect("a link");
    let commands: Vec<Vec<&str>> = block
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    let commands = commands.iter().filter(|words| !words.is_empty());
    let mut ran = 0;
    for words in commands {
        assert_eq!(words[0], "stagecopy", "{words:?}");
        run(stagecopy().args(&words[1..]).current_dir(folder.path())).expect(0);
        ran += 1;
    }
    assert_eq!(ran, 3);
    assert_eq!(sql("SELECT COUNT(*) FROM shop_orders"), "3");
}
