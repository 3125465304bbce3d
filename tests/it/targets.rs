//! What stands under the table's name: what no load goes into is refused before anything is staged, and columns that take
//! no values are left alone.

use std::path::Path;

use crate::support::*;

const ONE: &str = "{\"a\":1}\n";

/// Export, plan and init refuse `table` with one error and one hint, which hold these texts, and stage nothing.
#[track_caller]
fn refused(table: &str, file: &Path, error: &str, hint: &str) {
    let stage = stage();
    let mut commands = [
        export(table, &[file]),
        stagecopy(),
        stagecopy(),
        export(table, &[file]),
    ];
    commands[0].args(["--stage", &stage]);
    commands[1].arg("plan").arg(file).args(["--table", table]);
    commands[2].args(["init", "--table", table]);
    commands[3].args(["--stage", &stage, "--evolve", "all"]);
    for mut command in commands {
        let run = run(&mut command).expect(2);
        run.hints();
        assert!(run.error().contains(error), "{error}: {}", run.stderr);
        assert!(run.stderr.contains(hint), "{hint}: {}", run.stderr);
    }
    assert_eq!(objects(&stage), Vec::<String>::new());
    let name = table.replace('"', "").replace('.', "__");
    assert_eq!(
        sql(&format!(
            "SELECT COUNT(*) FROM pg_class WHERE relname LIKE 'stagecopy%{name}'"
        )),
        "0",
        "no ledger is made for {table}"
    );
}

#[test]
fn a_view_of_any_kind_is_refused_before_anything_is_staged() {
    let (name, folder) = (unique("shown"), Folder::new());
    let file = folder.file("a.json", ONE);
    sql(&format!(
        "CREATE TABLE {name} (a BIGINT); CREATE VIEW {name}_v AS SELECT a FROM {name}"
    ));
    sql(&format!(
        "CREATE VIEW {name}_late AS SELECT a FROM public.{name} WITH NO SCHEMA BINDING"
    ));
    sql(&format!(
        "CREATE MATERIALIZED VIEW {name}_m AUTO REFRESH YES AS SELECT a FROM {name}"
    ));
    for (view, what) in [
        ("v", "a view"),
        ("late", "a late-binding view"),
        ("m", "a materialized view"),
    ] {
        let view = format!("{name}_{view}");
        refused(
            &view,
            &file,
            &format!("public.{view} is {what}"),
            "give the table that it",
        );
    }
    run(&mut export(&name, &[&file])).expect(0);
    assert_eq!(sql(&format!("SELECT a FROM {name}_late")), "1");
}

#[test]
fn what_is_external_is_refused_before_anything_is_staged() {
    let (schema, folder) = (unique("outside"), Folder::new());
    let file = folder.file("a.json", ONE);
    for (kind, from) in [
        (
            "lake",
            "DATA CATALOG DATABASE 'lake' IAM_ROLE 'arn:aws:iam::123456789012:role/r'",
        ),
        ("shared", "REDSHIFT DATABASE 'other' SCHEMA 'public'"),
    ] {
        sql(&format!(
            "CREATE EXTERNAL SCHEMA {schema}_{kind} FROM {from}"
        ));
    }
    sql(&format!(
        "CREATE EXTERNAL TABLE {schema}_lake.t (a BIGINT) STORED AS PARQUET LOCATION 's3://b/k/'"
    ));
    // one that is there, and one that would have to be made
    for table in ["t", "u"] {
        refused(
            &format!("{schema}_lake.{table}"),
            &file,
            "external schema of files in S3, by the data catalog's database \"lake\"",
            "a schema that is not external",
        );
    }
    refused(
        &format!("{schema}_shared.t"),
        &file,
        "external schema of another database of Redshift's, \"other\"",
        "--host and --database",
    );
}

#[test]
fn schemas_that_are_not_the_users_are_refused_before_anything_is_staged() {
    let folder = Folder::new();
    let file = folder.file("a.json", ONE);
    let table = unique("elsewhere");
    for (schema, what) in [
        ("pg_temp", "a schema of temporary tables"),
        ("pg_catalog", "a schema of the system's"),
        ("information_schema", "a schema of the system's"),
    ] {
        refused(&format!("{schema}.{table}"), &file, what, "hint: ");
    }
}

#[test]
fn names_that_keep_capital_letters_are_refused_before_anything_is_staged() {
    let (name, folder) = (unique("cased"), Folder::new());
    let file = folder.file("a.json", ONE);
    // what a session with enable_case_sensitive_identifier leaves in the catalog
    sql_behind(&format!(
        "CREATE TABLE \"{name}_T\" (a BIGINT); CREATE SCHEMA \"{name}_S\"; GRANT ALL ON SCHEMA \"{name}_S\" TO stagecopy"
    ));
    let hint = "enable_case_sensitive_identifier";
    let table = format!("{name}_t");
    refused(
        &table,
        &file,
        &format!("public.{table} is public.\"{name}_T\" in the catalog"),
        hint,
    );
    let schema = format!("{name}_s.t");
    refused(
        &schema,
        &file,
        &format!("{schema} is \"{name}_S\".t in the catalog"),
        hint,
    );
}

#[test]
fn a_session_that_keeps_capital_letters_loads_tables_whose_names_have_none() {
    let (name, folder) = (unique("keeping"), Folder::new());
    sql(&format!(
        "CREATE USER {name} PASSWORD 'Wo1-{name}'; GRANT ALL ON SCHEMA public TO {name}"
    ));
    see_tables_of(&name);
    // as a parameter group or ALTER USER would have it
    sql_behind(&format!(
        "ALTER ROLE {name} SET \"redshift.enable_case_sensitive_identifier\" = 'true'"
    ));
    let as_user = |table: &str, file: &Path| {
        let mut command = export(table, &[file]);
        command
            .args(["--user", &name])
            .env("PGPASSWORD", format!("Wo1-{name}"));
        run(&mut command)
    };
    let file = folder.file(
        "a.json",
        "{\"userId\":1,\"Payload\":{\"A\":[1]},\"at\":\"12:30\"}\n",
    );
    let table = format!("{name}_t");
    for _ in 0..2 {
        as_user(&table, &file).expect(0);
    }
    let query = format!("SELECT userid, json_serialize(payload), at FROM {table}");
    assert_eq!(sql(&query), "1|{\"A\":[1]}|12:30");
    // where the case matters it is said
    let mut psql = psql();
    psql.env("PGUSER", &name)
        .env("PGPASSWORD", format!("Wo1-{name}"));
    for made in [
        format!("CREATE TABLE \"{name}_U\" (a BIGINT)"),
        format!("ALTER TABLE {table} ADD COLUMN \"Other\" BIGINT"),
    ] {
        psql.args(["-q", "-c", &made]);
    }
    Run::of(psql.output().expect("psql starts")).expect(0);
    let refused = as_user(&format!("\"{name}_U\""), &file).expect(2);
    refused.hints();
    assert!(
        refused
            .error()
            .contains(&format!("is public.\"{name}_U\" in the catalog")),
        "{}",
        refused.stderr
    );
    let other = folder.file("b.json", "{\"Other\":1}\n");
    let refused = as_user(&table, &other).expect(3);
    assert!(
        refused
            .stderr
            .contains("column \"Other\" has capital letters"),
        "{}",
        refused.stderr
    );
}

#[test]
fn an_identity_makes_its_own_values_and_takes_none() {
    let (table, folder) = (unique("identity"), Folder::new());
    sql(&format!(
        "CREATE TABLE {table} (id BIGINT IDENTITY(10, 1), a BIGINT, n SUPER)"
    ));
    let file = folder.file("a.json", "{\"a\":1}\n{\"a\":2,\"id\":null}\n");
    run(&mut export(&table, &[&file])).expect(0);
    assert_eq!(
        sql(&format!("SELECT id, a FROM {table} ORDER BY a")),
        "10|1\n11|2"
    );
    let given = folder.file("b.json", "{\"a\":3,\"ID\":7}\n");
    let plan = run(stagecopy()
        .arg("plan")
        .arg(&given)
        .args(["--table", &table]))
    .expect(3);
    let refused = run(&mut export(&table, &[&given])).expect(3);
    for told in [plan.stderr, refused.stderr] {
        let reason = "b.json:1:8: column \"ID\" is an identity, which makes its own values";
        assert!(
            told.contains(reason) && !told.contains("ALTER TABLE"),
            "{told}"
        );
    }
    // the same through the temporary table, on request
    let nested = folder.file("c.json", "{\"a\":4,\"id\":7,\"n\":[1]}\n");
    let loaded = run(export(&table, &[&nested]).args(["--unknown-keys", "ignore"])).expect(0);
    assert!(
        loaded.stdout.contains("left out 1 value"),
        "{}",
        loaded.stdout
    );
    assert_eq!(
        sql(&format!("SELECT COUNT(*) FROM {table} WHERE id <> 7")),
        "3"
    );
}

#[test]
fn an_identity_by_default_takes_values_and_makes_them_where_there_are_none() {
    let (table, folder) = (unique("by_default"), Folder::new());
    sql(&format!(
        "CREATE TABLE {table} (id BIGINT GENERATED BY DEFAULT AS IDENTITY(10, 1), a BIGINT)"
    ));
    let without = folder.file("a.json", "{\"a\":1}\n");
    run(&mut export(&table, &[&without])).expect(0);
    let with = folder.file("b.json", "{\"a\":2,\"id\":7}\n{\"a\":3,\"id\":8}\n");
    run(&mut export(&table, &[&with])).expect(0);
    assert_eq!(
        sql(&format!("SELECT id, a FROM {table} ORDER BY a")),
        "10|1\n7|2\n8|3"
    );
}

#[test]
fn a_column_that_is_not_loaded_is_left_alone_where_a_row_can_do_without() {
    let (table, folder) = (unique("unloaded"), Folder::new());
    sql(&format!("CREATE TABLE {table} (a BIGINT, t TIMETZ)"));
    sql_behind(&format!("ALTER TABLE {table} ADD COLUMN \"userId\" BIGINT"));
    let file = folder.file("a.json", ONE);
    run(&mut export(&table, &[&file])).expect(0);
    assert_eq!(sql(&format!("SELECT a, t FROM {table}")), "1|");
    for (record, reason) in [
        (
            "{\"t\":\"00:00:00+00\"}\n",
            "column \"t\" is of type time with time zone, which is not loaded",
        ),
        (
            "{\"userId\":1}\n",
            "column \"userId\" has capital letters in its name",
        ),
    ] {
        let file = folder.file("b.json", record);
        let refused = run(export(&table, &[&file]).args(["--evolve", "all"])).expect(3);
        assert!(refused.stderr.contains(reason), "{}", refused.stderr);
    }
}

#[test]
fn a_column_that_wants_values_and_takes_none_is_refused_before_anything_is_staged() {
    let (table, folder) = (unique("wanting"), Folder::new());
    let file = folder.file("a.json", ONE);
    sql(&format!(
        "CREATE TABLE {table} (a BIGINT, t TIMETZ NOT NULL)"
    ));
    let stage = stage();
    let run = run(export(&table, &[&file]).args(["--stage", &stage])).expect(2);
    run.hints();
    let told = format!(
        "column \"t\" of public.{table} is of type time with time zone, which is not loaded, and is NOT NULL without a default"
    );
    assert!(run.error().contains(&told), "{}", run.stderr);
    assert_eq!(objects(&stage), Vec::<String>::new());
}

#[test]
fn only_a_view_that_binds_the_column_keeps_it_from_being_widened() {
    let (table, folder) = (unique("bound"), Folder::new());
    let file = folder.file("a.json", "{\"name\":\"abcdefgh\"}\n");
    sql(&format!(
        "CREATE TABLE {table} (name VARCHAR(4)); CREATE VIEW {table}_v AS SELECT name FROM {table}"
    ));
    sql(&format!(
        "CREATE VIEW {table}_late AS SELECT name FROM public.{table} WITH NO SCHEMA BINDING"
    ));
    let refused = run(export(&table, &[&file]).args(["--evolve", "widen"])).expect(1);
    refused.hints();
    let named = format!("view {table}_v depends on column \"name\"");
    assert!(
        refused.stderr.contains(&named) && refused.stderr.contains("WITH NO SCHEMA BINDING"),
        "{}",
        refused.stderr
    );
    sql(&format!("DROP VIEW {table}_v"));
    run(export(&table, &[&file]).args(["--evolve", "widen"])).expect(0);
    assert_eq!(sql(&format!("SELECT name FROM {table}_late")), "abcdefgh");
}
