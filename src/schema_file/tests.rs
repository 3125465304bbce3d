//! Schema files by tables: what they say, what is wrong with them, and that what is written is read back.

use proptest::prelude::*;

use super::*;
use crate::schema::{
    ByteText, Column, ColumnType, DefaultValue, Definition, Distribution, Encoding, Excluded,
    Nullability, Origin, Schema, SortKey, SourcePattern, TableDefinition, fold,
};

/// What is wrong with the text, a line each.
fn wrong(text: &str) -> Vec<String> {
    let problems = read(text).expect_err(text);
    problems.iter().map(Problem::to_string).collect()
}

/// A file of one column with these lines more.
fn with(lines: &str) -> String {
    format!("version = 1\n[[column]]\nname = \"c\"\n{lines}")
}

fn only_column(lines: &str) -> Column {
    let schema = read(&with(lines)).unwrap_or_else(|problems| panic!("{lines}: {problems:?}"));
    schema.columns.into_iter().next().expect("one column")
}

#[test]
fn the_example_says_everything() {
    let schema = read(include_str!("../../examples/orders.schema.toml")).expect("it is right");
    let column = |name, target| Column::new(name, target, Nullability::Nullable);
    let path = |keys: [&str; 2]| Origin::Path(keys.map(str::to_owned).to_vec());
    let encoded = |encode| Definition {
        encode: Some(encode),
        default: None,
    };
    let pattern = SourcePattern::parse("([^/]+)\\.json$").expect("a pattern");
    let decimal = ColumnType::Decimal {
        precision: 12,
        scale: 2,
    };
    let expected = Schema {
        columns: vec![
            Column::new("order_id", ColumnType::BigInt, Nullability::Required)
                .with_definition(encoded(Encoding::Raw)),
            column("customer", ColumnType::Varchar(128))
                .with_origin(path(["customer", "name"]))
                .with_definition(encoded(Encoding::Zstd)),
            column("vat_id", ColumnType::Char(16)).with_origin(path(["customer", "vat"])),
            Column::new("placed_at", ColumnType::TimestampTz, Nullability::Present),
            column("total", decimal),
            column("is_paid", ColumnType::Boolean).with_origin(Origin::Key("paid".into())),
            column("tags", ColumnType::Super),
            column("ship_on", ColumnType::Date),
            column("channel", ColumnType::Varchar(16)).with_definition(Definition {
                encode: None,
                default: Some(DefaultValue::Text("shop".into())),
            }),
            column("file", ColumnType::Varchar(256)).with_origin(Origin::SourceName(pattern)),
            Column::source(),
            Column::line(),
        ],
        excluded: Excluded::Keys(vec!["note".into()]),
        closed: Vec::new(),
        table: TableDefinition {
            distribution: Some(Distribution::Key("order_id".into())),
            sort_key: Some(SortKey::Compound(vec![
                "placed_at".into(),
                "order_id".into(),
            ])),
        },
    };
    assert_eq!(schema, expected);
}

#[test]
fn every_problem_is_told_with_its_line() {
    let text = r#"version = 1
exlude = ["a"]
select = []

[table]
diststyle = "round"
distkey = "nope"
sortkey = ["Id", "payload", "id"]

[[column]]
name = "Id"
type = "BIGINT"
tpye = "x"
nullable = 1

[[column]]
name = "id"
type = "uuid"

[[column]]
type = "DATE"

[[column]]
name = "payload"
type = "SUPER"
encode = "gzip"
bytes = "hex"

[[column]]
name = "ctid"
type = "BOOLEAN"
encode = "az64"
default = 1
key = "a"
path = "b.c"
"#;
    assert_eq!(
        wrong(text),
        [
            "2: there is no key \"exlude\": did you mean exclude?",
            "3: select must be a list of texts",
            "6: table: diststyle: \"round\" is none of auto, even, all, key",
            "7: table: distkey: there is no column \"nope\"",
            "8: table: sortkey: column \"payload\" is SUPER",
            "8: table: sortkey names \"id\" twice",
            "13: column \"Id\": there is no key \"tpye\": did you mean type?",
            "14: column \"Id\": nullable must be true or false",
            "17: column \"id\" stands on line 11 already; names are folded to lower case",
            "18: column \"id\": type: \"uuid\" is none that stagecopy loads",
            "20: column 3: name is missing",
            "26: column \"payload\": encode: \"gzip\" is none of AZ64, BYTEDICT, DELTA, DELTA32K, LZO, MOSTLY8, MOSTLY16, \
             MOSTLY32, RAW, RUNLENGTH, TEXT255, TEXT32K, ZSTD",
            "27: column \"payload\": bytes is said of VARBYTE alone, and this is SUPER",
            "30: column \"ctid\": name is that of a system column",
            "32: column \"ctid\": encode: AZ64 does not go with BOOLEAN",
            "35: column \"ctid\": key and path exclude each other",
        ]
    );
}

#[test]
fn each_rule_has_its_words() {
    let long = "x".repeat(128);
    let long_column = format!("version = 1\n[[column]]\nname = \"{long}\"\ntype = \"DATE\"");
    let long_told = format!(
        "3: column \"{}…\": name has 128 bytes, and may have 127",
        &long[..64]
    );
    let many = format!(
        "version = 1\ncolumn = [{}]",
        (0..1601)
            .map(|n| format!("{{name = \"c{n}\", type = \"DATE\"}}"))
            .collect::<Vec<_>>()
            .join(",")
    );
    for (text, expected) in [
        ("", "1: version is missing: this is version 1"),
        (
            "version = 2\nunheard = \"of\"",
            "1: version must be 1, the only one there is",
        ),
        (
            "version = \"1\"",
            "1: version must be 1, the only one there is",
        ),
        (
            "version = 1",
            "1: there is no column: each is a table that begins with [[column]]",
        ),
        (
            "version = 1\ncolumn = 1",
            "2: there is no column: each is a table that begins with [[column]]",
        ),
        (
            "version = 1\ncolumn = [1]",
            "2: column 1 must be a table: [[column]]",
        ),
        (&many, "2: there are 1601 columns, a table has at most 1600"),
        (
            "version = 1\ntable = 1\n[[column]]\nname = \"c\"\ntype = \"DATE\"",
            "2: table must be a table: [table]",
        ),
        (
            "version = 1\nselect = [\"c\"]\nexclude = [\"d\"]\n[[column]]\nname = \"c\"\ntype = \"DATE\"",
            "3: exclude and select exclude each other",
        ),
        (
            "version = 1\nexclude = [\"C\"]\n[[column]]\nname = \"c\"\ntype = \"DATE\"",
            "4: column \"c\" takes \"c\", which is excluded",
        ),
        (
            "version = 1\nselect = [\"d\"]\n[[column]]\nname = \"c\"\ntype = \"DATE\"",
            "4: column \"c\" takes \"c\", which is not selected",
        ),
        (
            "version = 1\n[[column]]\nname = \"\"\ntype = \"DATE\"",
            "3: column \"\": name is empty",
        ),
        (
            "version = 1\n[[column]]\nname = \"a\\tb\"\ntype = \"DATE\"",
            "3: column \"a\\tb\": name has a control character in it",
        ),
        (&long_column, &long_told),
        (
            "version = 1\n[[column]]\nname = \"c\"\ntype = \"DATE\"\n[[column]]\nname = \"d\"\ntype = \"DATE\"\nkey = \"C\"",
            "6: column \"d\" takes \"c\", and so does \"c\"",
        ),
        (
            "version = 1\n[[column]]\nname = \"c\"\ntype = \"DATE\"\npath = \"a.b\"\n[[column]]\nname = \"d\"\ntype = \"DATE\"\npath = [\"A\", \"b\"]",
            "7: column \"d\" takes \"a\".\"b\", and so does \"c\"",
        ),
        (
            "version = 1\n[[column]]\nname = \"c\"\ntype = \"DATE\"\n[[column]]\nname = \"d\"\ntype = \"DATE\"\npath = \"C.e.f\"",
            "6: column \"d\" is lifted out of what column \"c\" takes whole, which is DATE and not SUPER",
        ),
    ] {
        assert_eq!(wrong(text), [expected], "{text}");
    }
    for (lines, expected) in [
        ("", "2: column \"c\": type is missing"),
        ("type = 1", "4: column \"c\": type must be a text"),
        (
            "type = \"VARCHAR(65536)\"",
            "4: column \"c\": type: VARCHAR(65536) is longer than VARCHAR(65535), the longest",
        ),
        (
            "type = \"CHAR(4097)\"",
            "4: column \"c\": type: CHAR(4097) is longer than CHAR(4096), the longest",
        ),
        (
            "type = \"VARBYTE(16777217)\"",
            "4: column \"c\": type: VARBYTE(16777217) is longer than VARBYTE(16777216), the longest",
        ),
        (
            "type = \"VARCHAR(0)\"",
            "4: column \"c\": type: VARCHAR(0) holds nothing",
        ),
        (
            "type = \"DECIMAL(38,38)\"",
            "4: column \"c\": type: DECIMAL(38,38) has more than 37 digits after the point",
        ),
        (
            "type = \"DATE\"\npath = \"a\"",
            "5: column \"c\": path must have two keys or more: a key of the record itself is said with key",
        ),
        (
            "type = \"DATE\"\npath = [\"a\"]",
            "5: column \"c\": path must have two keys or more: a key of the record itself is said with key",
        ),
        (
            "type = \"DATE\"\npath = \"a..b\"",
            "5: column \"c\": path has an empty key between its dots: write such a path as a list of keys",
        ),
        (
            "type = \"DATE\"\npath = [1, 2]",
            "5: column \"c\": path must be a list of texts",
        ),
        (
            "type = \"DATE\"\nfrom_path = \"dt=[^/]+\"",
            "5: column \"c\": from_path: the pattern has 0 groups and must have one, the text it takes",
        ),
        (
            "type = \"DATE\"\nlineage = \"file\"",
            "5: column \"c\": lineage: \"file\" is none of source, line",
        ),
        (
            "type = \"VARCHAR(32)\"\nlineage = \"source\"",
            "3: column \"c\": it must be called stagecopy_source and be VARCHAR(32)",
        ),
        (
            "type = \"DATE\"\nkey = \"a\"\nfrom_path = \"(.)\"\nlineage = \"line\"",
            "7: column \"c\": key and from_path and lineage exclude each other",
        ),
        (
            "type = \"DATE\"\nfrom_path = \"(.)\"\ndefault = \"2024-01-01\"",
            "6: column \"c\": default: every record has a value",
        ),
        (
            "type = \"SUPER\"\nfrom_path = \"(.)\"",
            "2: column \"c\": from_path: a text out of a name does not go into SUPER",
        ),
        (
            "type = \"SUPER\"\ndefault = 1",
            "5: column \"c\": default: SUPER cannot have one",
        ),
        (
            "type = \"DATE\"\n[table]\nsortstyle = \"compound\"",
            "6: table: sortstyle goes with a sortkey",
        ),
        (
            "type = \"DATE\"\n[table]\nsortkey = \"auto\"\nsortstyle = \"compound\"",
            "7: table: sortstyle goes with a list of columns alone",
        ),
        (
            "type = \"DATE\"\n[table]\nsortkey = \"c\"",
            "6: table: sortkey must be \"auto\" or a list of columns",
        ),
        (
            "type = \"DATE\"\n[table]\ndiststyle = \"key\"",
            "6: table: diststyle key needs a distkey",
        ),
        (
            "type = \"DATE\"\n[table]\ndiststyle = \"all\"\ndistkey = \"c\"",
            "7: table: distkey goes with diststyle key alone",
        ),
        (
            "type = \"VARBYTE(8)\"\n[table]\ndistkey = \"C\"",
            "6: table: distkey: column \"C\" is VARBYTE(8)",
        ),
        (
            "type = \"DATE\"\n[table]\nwhatever = 1",
            "6: table: there is no key \"whatever\", but these: diststyle, distkey, sortkey, sortstyle",
        ),
    ] {
        assert_eq!(wrong(&with(lines)), [expected], "{lines}");
    }
    assert_eq!(
        wrong("version = 1\n[[column]]\nname = \"stagecopy_line\"\ntype = \"BIGINT\""),
        ["3: column \"stagecopy_line\": this name is kept for a column with lineage"]
    );
}

#[test]
fn values_are_lifted_out_of_objects_that_are_left_out_or_taken_whole() {
    for before in ["exclude = [\"p\"]", "select = [\"q\"]", ""] {
        let whole = match before {
            "" => "[[column]]\nname = \"p\"\ntype = \"SUPER\"\n",
            _ => "",
        };
        let lifted = "[[column]]\nname = \"c\"\ntype = \"DATE\"\npath = \"p.c\"\n";
        let text = format!("version = 1\n{before}\n{whole}{lifted}");
        let schema = read(&text).unwrap_or_else(|problems| panic!("{text}: {problems:?}"));
        let mapped = crate::decode::check_mapping(&schema, crate::decode::UnknownKeys::Reject);
        assert_eq!(mapped, Ok(()), "{text}");
    }
    let deep = vec!["k"; 65].join(".");
    assert_eq!(
        wrong(&with(&format!("type = \"DATE\"\npath = \"{deep}\""))),
        ["5: column \"c\": path has 65 keys, and may have 64"]
    );
}

#[test]
fn interleaved_sort_keys_are_short() {
    let columns: Vec<String> = (0..9)
        .map(|n| format!("[[column]]\nname = \"c{n}\"\ntype = \"DATE\"\n"))
        .collect();
    let names: Vec<String> = (0..9).map(|n| format!("\"c{n}\"")).collect();
    let file = |style: &str| {
        format!(
            "version = 1\n[table]\nsortkey = [{}]\nsortstyle = \"{style}\"\n{}",
            names.join(","),
            columns.concat()
        )
    };
    assert!(read(&file("compound")).is_ok());
    assert_eq!(
        wrong(&file("interleaved")),
        ["3: table: sortkey has 9 columns, at most 8 are allowed"]
    );
}

#[test]
fn what_is_no_toml_is_told_line_by_line() {
    let lines = wrong("version = 1\nname = \n[[column]\n");
    assert!(lines.len() >= 2, "{lines:?}");
    assert!(lines[0].starts_with("2: not TOML: "), "{lines:?}");
    assert!(lines[1].starts_with("3: not TOML: "), "{lines:?}");
}

#[test]
fn a_default_is_one_that_the_type_holds_exactly() {
    let number = |text: &str| Ok(DefaultValue::Number(text.into()));
    let text = |text: &str| Ok(DefaultValue::Text(text.into()));
    for (column, value, expected) in [
        ("BOOLEAN", "true", Ok(DefaultValue::Boolean(true))),
        (
            "BOOLEAN",
            "1",
            Err("column \"c\": default of BOOLEAN must be true or false"),
        ),
        ("SMALLINT", "-32_768", number("-32768")),
        ("SMALLINT", "0x7fff", number("32767")),
        (
            "SMALLINT",
            "32768",
            Err("default: column \"c\" is SMALLINT, the value is a number out of its range"),
        ),
        ("BIGINT", "+5", number("5")),
        ("DECIMAL(5,2)", "1.50", number("1.50")),
        (
            "DECIMAL(5,2)",
            "1.005",
            Err("default: column \"c\" is DECIMAL(5,2), the value is a number out of its range"),
        ),
        (
            "DECIMAL(38,0)",
            "99999999999999999999999999999999999999",
            number("99999999999999999999999999999999999999"),
        ),
        ("DOUBLE PRECISION", "1e-3", number("1e-3")),
        (
            "REAL",
            "nan",
            Err("column \"c\": default: nan is no number that a column holds"),
        ),
        (
            "REAL",
            "\"1\"",
            Err("column \"c\": default of REAL must be a number"),
        ),
        (
            "VARCHAR(3)",
            "\"it's\"",
            Err("default: column \"c\" holds 3 bytes, the value has 4"),
        ),
        ("VARCHAR(4)", "\"it's\"", text("it's")),
        (
            "VARCHAR(4)",
            "5",
            Err("column \"c\": default of VARCHAR(4) must be a text"),
        ),
        ("DATE", "2024-02-29", text("2024-02-29")),
        ("DATE", "\"2024-02-29\"", text("2024-02-29")),
        ("TIME", "07:32:00.5", text("07:32:00.5")),
        (
            "TIMESTAMP",
            "2024-02-29T07:32:00",
            text("2024-02-29 07:32:00"),
        ),
        (
            "TIMESTAMPTZ",
            "2024-02-29 07:32:00.25Z",
            text("2024-02-29 07:32:00.25+00:00"),
        ),
        (
            "TIMESTAMPTZ",
            "\"2024-02-29T07:32:00-08:00\"",
            text("2024-02-29 07:32:00-08:00"),
        ),
        (
            "DATE",
            "1",
            Err("column \"c\": default of DATE must be a date or time, or a text"),
        ),
    ] {
        let file = with(&format!("type = \"{column}\"\ndefault = {value}\n"));
        let default = match read(&file) {
            Ok(schema) => Ok(schema.columns[0]
                .definition
                .default
                .clone()
                .expect("a default")),
            Err(problems) => Err(problems[0].message.clone()),
        };
        let expected = expected.map_err(str::to_owned);
        assert_eq!(default, expected, "{column} {value}");
    }
}

#[test]
fn values_may_come_from_elsewhere() {
    let path = |keys: &[&str]| Origin::Path(keys.iter().map(|key| (*key).to_owned()).collect());
    for (lines, expected) in [
        ("", Origin::Key("c".into())),
        ("key = \"Odd Key\"", Origin::Key("odd key".into())),
        ("key = \"\"", Origin::Key(String::new())),
        (
            "path = \"Payload.User.id\"",
            path(&["payload", "User", "id"]),
        ),
        ("path = [\"A\", \"b.c\", \"\"]", path(&["a", "b.c", ""])),
    ] {
        assert_eq!(
            only_column(&format!("type = \"DATE\"\n{lines}")).origin,
            expected,
            "{lines}"
        );
    }
    for (lines, expected) in [
        ("", Nullability::Nullable),
        ("required = true", Nullability::Present),
        ("nullable = false", Nullability::Required),
        ("nullable = false\nrequired = true", Nullability::Required),
    ] {
        let column = only_column(&format!("type = \"DATE\"\n{lines}"));
        assert_eq!(column.nullability, expected);
    }
}

#[test]
fn a_file_is_written_with_remarks() {
    let schema = Schema::of(vec![
        Column::new("id", ColumnType::BigInt, Nullability::Required),
        Column::new("raw", ColumnType::Varbyte(16), Nullability::Nullable),
    ]);
    let remarks = Remarks {
        heading: vec!["Two columns.".into(), "No\ttab, no\nline.".into()],
        columns: vec!["3 numbers".into()],
    };
    assert_eq!(
        write(&schema, &remarks),
        "# Two columns.\n# No\\u{9}tab, no\\u{a}line.\nversion = 1\n\n\
         # 3 numbers\n[[column]]\nname = \"id\"\ntype = \"BIGINT\"\nnullable = false\n\n\
         [[column]]\nname = \"raw\"\ntype = \"VARBYTE(16)\"\n\
         # bytes = \"hex\" or \"base64\": without it every value is rejected\n"
    );
}

fn types() -> impl Strategy<Value = ColumnType> {
    prop_oneof![
        Just(ColumnType::Boolean),
        Just(ColumnType::SmallInt),
        Just(ColumnType::Integer),
        Just(ColumnType::BigInt),
        (1..=38_u8, 0..=37_u8).prop_map(|(precision, scale)| ColumnType::Decimal {
            precision,
            scale: scale.min(precision)
        }),
        Just(ColumnType::Real),
        Just(ColumnType::Double),
        Just(ColumnType::Date),
        Just(ColumnType::Time),
        Just(ColumnType::Timestamp),
        Just(ColumnType::TimestampTz),
        (1..=4096_u32).prop_map(ColumnType::Char),
        (1..=65_535_u32).prop_map(ColumnType::Varchar),
        (1..=16_777_216_u32).prop_map(ColumnType::Varbyte),
        Just(ColumnType::Super),
    ]
}

/// A default that the type takes, as the file spells it.
fn default_of(target: ColumnType) -> Option<DefaultValue> {
    Some(match target {
        ColumnType::Boolean => DefaultValue::Boolean(false),
        ColumnType::Decimal { precision, scale } if precision > scale => {
            DefaultValue::Number("-7".into())
        }
        ColumnType::SmallInt | ColumnType::Integer | ColumnType::BigInt => {
            DefaultValue::Number("12".into())
        }
        ColumnType::Real | ColumnType::Double => DefaultValue::Number("0.5".into()),
        ColumnType::Varchar(_) => DefaultValue::Text("'".into()),
        ColumnType::Char(_) => DefaultValue::Text("\\".into()),
        ColumnType::Date => DefaultValue::Text("2024-02-29".into()),
        ColumnType::Time => DefaultValue::Text("23:59:59".into()),
        ColumnType::Timestamp => DefaultValue::Text("2024-02-29 00:00:00".into()),
        ColumnType::TimestampTz => DefaultValue::Text("2024-02-29 00:00:00+01:00".into()),
        ColumnType::Decimal { .. } | ColumnType::Varbyte(_) | ColumnType::Super => return None,
    })
}

fn origins() -> impl Strategy<Value = Option<Origin>> {
    let key = "[^A-Z]{0,6}";
    let pattern = prop_oneof![
        Just("dt=([^/]+)"),
        Just("'(.)\"\\\\"),
        Just("(?:a|b)/([0-9]{4})")
    ];
    prop_oneof![
        4 => Just(None),
        2 => key.prop_map(|key| Some(Origin::Key(key))),
        2 => (key, prop::collection::vec("\\PC{0,4}|[.\n\t\"'\\\\]{0,3}", 1..4))
            .prop_map(|(first, more)| Some(Origin::Path([vec![first], more].concat()))),
        1 => pattern.prop_map(|text| Some(Origin::SourceName(SourcePattern::parse(text).expect("a pattern")))),
    ]
}

fn columns() -> impl Strategy<Value = Column> {
    let nullability = prop_oneof![
        Just(Nullability::Nullable),
        Just(Nullability::Present),
        Just(Nullability::Required)
    ];
    let name = "[^\\p{Cc}A-Z]{1,12}";
    let encode = prop::option::of(prop::sample::select(Encoding::ALL.to_vec()));
    let bytes = prop_oneof![
        Just(ByteText::Undeclared),
        Just(ByteText::Hex),
        Just(ByteText::Base64)
    ];
    (
        name,
        types(),
        nullability,
        origins(),
        encode,
        bytes,
        any::<bool>(),
    )
        .prop_map(
            |(name, target, nullability, origin, encode, bytes, has_default)| {
                let mut column = Column::new(name, target, nullability);
                let is_refused =
                    |origin: &Origin| target == ColumnType::Super && origin.is_source();
                if let Some(origin) = origin.filter(|origin| !is_refused(origin)) {
                    column = column.with_origin(origin);
                }
                if let ColumnType::Varbyte(_) = target {
                    column = column.with_byte_text(bytes);
                }
                let may_lack = matches!(column.origin, Origin::Key(_) | Origin::Path(_));
                column.with_definition(Definition {
                    encode: encode.filter(|encoding| encoding.fits(target)),
                    default: default_of(target).filter(|_| has_default && may_lack),
                })
            },
        )
}

/// Schemas whose columns have names and origins of their own: no name has a control character in it.
fn schemas() -> impl Strategy<Value = Schema> {
    let lineage = any::<(bool, bool)>();
    let styles = any::<(u8, u8)>();
    let excluded = prop::option::of(prop::collection::vec("[^A-Z]{0,6}", 1..4));
    (
        prop::collection::vec(columns(), 1..9),
        lineage,
        styles,
        excluded,
        any::<bool>(),
    )
        .prop_map(
            |(columns, (source, line), (distribution, sort), excluded, selects)| {
                let mut schema = Schema::default();
                for (place, mut column) in columns.into_iter().enumerate() {
                    let own_key = column.origin == Origin::Key(column.name.clone());
                    column.name = format!("{}{place}", column.name);
                    column.origin = match column.origin {
                        Origin::Key(_) if own_key => Origin::Key(column.name.clone()),
                        Origin::Key(key) => Origin::Key(format!("\u{1}{place}{key}")),
                        Origin::Path(mut keys) => {
                            keys[0] = format!("\u{1}{place}{}", keys[0]);
                            Origin::Path(keys)
                        }
                        other => other,
                    };
                    schema.columns.push(column);
                }
                let is_key = |column: &&Column| {
                    !matches!(column.target, ColumnType::Super | ColumnType::Varbyte(_))
                };
                let keys: Vec<String> = schema
                    .columns
                    .iter()
                    .filter(is_key)
                    .map(|c| c.name.clone())
                    .collect();
                schema.table.distribution = match distribution % 5 {
                    0 => None,
                    1 => Some(Distribution::Auto),
                    2 => Some(Distribution::Even),
                    3 => Some(Distribution::All),
                    _ => keys.first().cloned().map(Distribution::Key),
                };
                schema.table.sort_key = match sort % 4 {
                    1 => Some(SortKey::Auto),
                    2 if !keys.is_empty() => Some(SortKey::Compound(keys)),
                    3 if !keys.is_empty() => Some(SortKey::Interleaved(keys[..1].to_vec())),
                    _ => None,
                };
                if source {
                    schema.columns.push(Column::source());
                }
                if line {
                    schema.columns.push(Column::line());
                }
                let taken: Vec<String> = schema
                    .columns
                    .iter()
                    .filter_map(|c| c.origin.key().map(fold))
                    .collect();
                if let Some(keys) = excluded {
                    schema.excluded = match selects {
                        true => Excluded::AllBut([keys, taken].concat()),
                        false => {
                            let keys = keys.iter().map(|key| format!("{key}-"));
                            Excluded::Keys(keys.filter(|key| !taken.contains(key)).collect())
                        }
                    };
                }
                schema
            },
        )
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(schema in schemas(), remark in "\\PC{0,9}|[\n\r\t#]{0,4}") {
        let remarks = Remarks {
            heading: vec![remark.clone()],
            columns: vec![remark; schema.columns.len()],
        };
        let text = write(&schema, &remarks);
        let read = read(&text);
        prop_assert_eq!(&read, &Ok(schema), "{}", text);
        let mapped = crate::decode::check_mapping(&read.expect("read"), crate::decode::UnknownKeys::Reject);
        prop_assert_eq!(mapped, Ok(()));
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "(version = 1\n)?([\\[\\]a-z =\".,{}\n0-9é\u{0}-]{0,60})") {
        let _ = read(&text);
    }

    #[test]
    fn a_file_with_a_line_changed_is_read_or_told_of(schema in schemas(), line in any::<prop::sample::Index>(), by in "[a-z_]{1,9} = [a-z0-9\"\\[\\]]{0,9}") {
        let text = write(&schema, &Remarks::default());
        let mut lines: Vec<&str> = text.lines().collect();
        let line = line.index(lines.len());
        lines[line] = &by;
        if let Err(problems) = read(&lines.join("\n")) {
            prop_assert!(!problems.is_empty());
            prop_assert!(problems.iter().all(|problem| (1..=lines.len()).contains(&problem.line)));
        }
    }
}
