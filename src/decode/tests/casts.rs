//! JSON value by column type: what is kept, and why the rest is not.

use proptest::prelude::*;

use super::*;

/// A value's staged form as text, or the reason it is rejected with, column and type left out.
fn cast(kind: ColumnType, json: &str) -> Result<Option<String>, String> {
    let columns = schema(&[("k", kind), ("after", ColumnType::BigInt)]);
    let record = format!("{{\"k\":{json},\"after\":1}}\n");
    let decoded = lines(format!("{{}}{record}{{\"k\":null}}\n"), &columns);
    match decoded.rejects.as_slice() {
        [] => {
            assert_eq!(cell(&decoded.columns[1], 1).as_deref(), Some("1"));
            assert_eq!(cell(&decoded.columns[0], 2), None);
            Ok(cell(&decoded.columns[0], 1))
        }
        [reject] => {
            assert_eq!((reject.line, reject.column), (1, 8), "{json}");
            let reason = reject.reason.to_string();
            Err(reason
                .split(", the value ")
                .last()
                .map(str::to_owned)
                .unwrap_or(reason))
        }
        many => panic!("{json}: {many:?}"),
    }
}

fn table(kind: ColumnType, kept: &[(&str, &str)], rejected: &[(&str, &str)]) {
    for (json, text) in kept {
        assert_eq!(
            cast(kind, json),
            Ok(Some((*text).to_owned())),
            "{json} into {kind}"
        );
    }
    for (json, reason) in rejected {
        assert_eq!(
            cast(kind, json),
            Err((*reason).to_owned()),
            "{json} into {kind}"
        );
    }
    assert_eq!(cast(kind, "null"), Ok(None), "null into {kind}");
}

const FRACTION: &str = "is a number with a fraction";
const RANGE: &str = "is a number out of its range";
const INEXACT: &str = "is a number it does not hold exactly";
const OTHER: &str = "is text in another form or out of its range";

#[test]
fn integers() {
    let rejected = [
        ("1.5", FRACTION),
        ("1e-1", FRACTION),
        ("-0.0000001", FRACTION),
        ("9999999999999999999999.5", FRACTION),
        ("1e400", RANGE),
        ("1e99999999999999999999", RANGE),
        ("1e-99999999999999999999", FRACTION),
        ("100000000000000000000000000000000000000000000", RANGE),
        ("\"1\"", "is text"),
        ("true", "is a boolean"),
        ("[1]", "is an array"),
        ("{\"a\":1}", "is an object"),
    ];
    let kept = [
        ("0", "0"),
        ("-0", "0"),
        ("-0.0e5", "0"),
        ("0e99999999999999999999", "0"),
        ("1.0", "1"),
        ("1e2", "100"),
        ("1200e-2", "12"),
        ("-1.50e1", "-15"),
        ("0.0012e4", "12"),
        ("1.000000000000000000000000000000000000000000000000", "1"),
    ];
    for kind in [
        ColumnType::SmallInt,
        ColumnType::Integer,
        ColumnType::BigInt,
    ] {
        table(kind, &kept, &rejected);
    }
    table(
        ColumnType::SmallInt,
        &[
            ("32767", "32767"),
            ("-32768", "-32768"),
            ("3.2767e4", "32767"),
        ],
        &[("32768", RANGE), ("-32769", RANGE), ("65536", RANGE)],
    );
    table(
        ColumnType::Integer,
        &[("2147483647", "2147483647"), ("-2147483648", "-2147483648")],
        &[
            ("2147483648", RANGE),
            ("-2147483649", RANGE),
            ("4294967296", RANGE),
        ],
    );
    table(
        ColumnType::BigInt,
        &[
            ("999999999999999999", "999999999999999999"),
            ("9223372036854775807", "9223372036854775807"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("-9223372036854775808.000", "-9223372036854775808"),
            ("922337203685477580.7e1", "9223372036854775807"),
            ("9007199254740993", "9007199254740993"),
        ],
        &[
            ("9223372036854775808", RANGE),
            ("-9223372036854775809", RANGE),
            ("18446744073709551615", RANGE),
            ("18446744073709551616", RANGE),
            ("9223372036854775807.5", FRACTION),
        ],
    );
}

#[test]
fn decimals() {
    let decimal = |precision, scale| ColumnType::Decimal { precision, scale };
    table(
        decimal(5, 2),
        &[
            ("0", "0.00"),
            ("-0.0", "0.00"),
            ("1", "1.00"),
            ("999.99", "999.99"),
            ("-999.99", "-999.99"),
            ("1.2300000000000000000000000000000000000000000", "1.23"),
            ("1e2", "100.00"),
            ("12345e-2", "123.45"),
            ("0.01", "0.01"),
        ],
        &[
            ("1000", RANGE),
            ("999.995", RANGE),
            ("0.001", RANGE),
            ("1e3", RANGE),
            ("1e-3", RANGE),
            ("1e38", RANGE),
            ("\"1.00\"", "is text"),
            ("false", "is a boolean"),
        ],
    );
    let nines = "9".repeat(38);
    table(
        decimal(38, 0),
        &[
            (&nines, &nines),
            (&format!("-{nines}"), &format!("-{nines}")),
        ],
        &[
            (&format!("1{}", "0".repeat(38)), RANGE),
            (&format!("{nines}.5"), RANGE),
            ("1e38", RANGE),
        ],
    );
    let small = format!("0.{}1", "0".repeat(36));
    table(
        decimal(38, 37),
        &[
            (&small, &small),
            ("1e-37", &small),
            ("9.5", &format!("9.5{}", "0".repeat(36))),
        ],
        &[("10", RANGE), ("1e-38", RANGE)],
    );
    table(
        decimal(19, 2),
        &[("92233720368547758.07", "92233720368547758.07")],
        &[
            ("92233720368547758.08", RANGE),
            ("-92233720368547758.08", RANGE),
        ],
    );
    table(
        decimal(20, 2),
        &[("92233720368547758.08", "92233720368547758.08")],
        &[],
    );
    table(
        decimal(18, 0),
        &[("999999999999999999", "999999999999999999")],
        &[("1e18", RANGE)],
    );
}

#[test]
fn doubles_and_reals() {
    table(
        ColumnType::Double,
        &[
            ("0", "0.0"),
            ("1", "1.0"),
            ("0.1", "0.1"),
            ("-2.50", "-2.5"),
            ("123456789012345", "123456789012345.0"),
            ("9007199254740992", "9007199254740992.0"),
            ("9007199254740991", "9007199254740991.0"),
            ("0.30000000000000004", "0.30000000000000004"),
            ("1e22", "1e22"),
            ("1e23", "1e23"),
            ("1.7976931348623157e308", "1.7976931348623157e308"),
            ("17976931348623157e292", "1.7976931348623157e308"),
            ("2.2250738585072014e-308", "2.2250738585072014e-308"),
            ("5e-324", "5e-324"),
            ("123456789e-300", "1.23456789e-292"),
            ("1000000000000000000000", "1e21"),
            ("1893111423064523.2", "1893111423064523.2"),
        ],
        &[
            // The same double as the number above, which is as near to it
            ("1893111423064523.3", INEXACT),
            ("9007199254740993", INEXACT),
            ("12345678901234567.89", INEXACT),
            ("0.1000000000000000055511151231257827", INEXACT),
            ("1e309", INEXACT),
            ("-1e309", INEXACT),
            ("1e-400", INEXACT),
            ("4.9406564584124654e-324", INEXACT),
            ("1.7976931348623159e308", INEXACT),
            ("2e-324", INEXACT),
            ("\"1\"", "is text"),
            ("true", "is a boolean"),
        ],
    );
    table(
        ColumnType::Real,
        &[
            ("0", "0.0"),
            ("0.1", "0.1"),
            ("16777216", "16777216.0"),
            ("3.4028235e38", "3.4028235e38"),
            ("1e-45", "1e-45"),
            ("0.333333", "0.333333"),
        ],
        &[
            ("16777217", INEXACT),
            ("0.3333333333", INEXACT),
            ("3.4028236e38", INEXACT),
            ("1e39", INEXACT),
            ("1e-46", INEXACT),
            ("3.141592653589793", INEXACT),
        ],
    );
    let columns = schema(&[("d", ColumnType::Double), ("r", ColumnType::Real)]);
    let decoded = lines("{\"d\":-0.0,\"r\":-0}", &columns);
    assert_eq!(cell(&decoded.columns[0], 0).as_deref(), Some("-0.0"));
    assert_eq!(cell(&decoded.columns[1], 0).as_deref(), Some("-0.0"));
}

#[test]
fn booleans() {
    table(
        ColumnType::Boolean,
        &[("true", "true"), ("false", "false")],
        &[
            ("0", "is a number"),
            ("\"true\"", "is text"),
            ("[]", "is an array"),
        ],
    );
}

#[test]
fn dates_and_times() {
    table(
        ColumnType::Date,
        &[
            ("\"1970-01-01\"", "1970-01-01"),
            ("\"0001-01-01\"", "0001-01-01"),
            ("\"9999-12-31\"", "9999-12-31"),
            ("\"2024-02-29\"", "2024-02-29"),
            ("\"2000-02-29\"", "2000-02-29"),
            ("\"2026\\u002d11-22\"", "2026-11-22"),
        ],
        &[
            ("\"2023-02-29\"", OTHER),
            ("\"1900-02-29\"", OTHER),
            ("\"0000-01-01\"", OTHER),
            ("\"2026-00-01\"", OTHER),
            ("\"2026-13-01\"", OTHER),
            ("\"2026-04-31\"", OTHER),
            ("\"2026-01-00\"", OTHER),
            ("\"2026-1-01\"", OTHER),
            ("\"2026-01-01 \"", OTHER),
            ("\" 2026-01-01\"", OTHER),
            ("\"2026/01/01\"", OTHER),
            ("\"20260101\"", OTHER),
            ("\"2026-01-01T00:00:00\"", OTHER),
            ("\"-026-01-01\"", OTHER),
            ("\"+2026-01-01\"", OTHER),
            ("\"2026-01-0é\"", OTHER),
            ("\"\"", OTHER),
            ("20260101", "is a number"),
        ],
    );
    table(
        ColumnType::Time,
        &[
            ("\"00:00:00\"", "00:00:00"),
            ("\"23:59:59.999999\"", "23:59:59.999999"),
            ("\"12:30:00.500\"", "12:30:00.5"),
            ("\"12:30:00.000000000\"", "12:30:00"),
            ("\"12:30:00.0100000000000000000000\"", "12:30:00.01"),
        ],
        &[
            ("\"24:00:00\"", OTHER),
            ("\"12:60:00\"", OTHER),
            ("\"12:00:60\"", OTHER),
            ("\"12:30\"", OTHER),
            ("\"12:30:00.\"", OTHER),
            ("\"12:30:00.1234567\"", OTHER),
            ("\"12:30:00Z\"", OTHER),
            ("\"1:30:00\"", OTHER),
            ("\"12:30:00.5x\"", OTHER),
            ("\"12:30:0é\"", OTHER),
            ("123000", "is a number"),
        ],
    );
}

#[test]
fn timestamps() {
    table(
        ColumnType::Timestamp,
        &[
            ("\"1970-01-01T00:00:00\"", "1970-01-01T00:00:00"),
            ("\"2026-11-22 23:07:47.5\"", "2026-11-22T23:07:47.500"),
            (
                "\"1969-12-31T23:59:59.999999\"",
                "1969-12-31T23:59:59.999999",
            ),
            ("\"0001-01-01T00:00:00\"", "0001-01-01T00:00:00"),
            (
                "\"9999-12-31T23:59:59.999999000\"",
                "9999-12-31T23:59:59.999999",
            ),
        ],
        &[
            ("\"2026-11-22\"", OTHER),
            ("\"2026-11-22T23:07\"", OTHER),
            ("\"2026-11-22T23:07:47Z\"", OTHER),
            ("\"2026-11-22T23:07:60\"", OTHER),
            ("\"2026-11-22T24:00:00\"", OTHER),
            ("\"2026-11-22T23:07:47.1234567\"", OTHER),
            ("\"2026-11-22T23:07:47.\"", OTHER),
            ("\"2026-11-22_23:07:47\"", OTHER),
            ("\"2026-11-22  23:07:47\"", OTHER),
            ("\"2026-11-22T23:07:47,5\"", OTHER),
            ("1763852867", "is a number"),
        ],
    );
    table(
        ColumnType::TimestampTz,
        &[
            ("\"1970-01-01T00:00:00Z\"", "1970-01-01T00:00:00Z"),
            ("\"2026-11-22 23:07:47.25z\"", "2026-11-22T23:07:47.250Z"),
            ("\"2026-11-22T23:07:47+02:00\"", "2026-11-22T21:07:47Z"),
            ("\"2026-11-22T23:07:47-05:30\"", "2026-11-23T04:37:47Z"),
            ("\"2026-11-22T23:07:47-00:00\"", "2026-11-22T23:07:47Z"),
            ("\"0001-01-01T23:59:00+23:59\"", "0001-01-01T00:00:00Z"),
            (
                "\"9999-12-31T00:00:59.999999-23:59\"",
                "9999-12-31T23:59:59.999999Z",
            ),
        ],
        &[
            ("\"2026-11-22T23:07:47\"", OTHER),
            ("\"2026-11-22\"", OTHER),
            ("\"2026-11-22T23:07:47+2:00\"", OTHER),
            ("\"2026-11-22T23:07:47+0200\"", OTHER),
            ("\"2026-11-22T23:07:47+02\"", OTHER),
            ("\"2026-11-22T23:07:47+24:00\"", OTHER),
            ("\"2026-11-22T23:07:47+02:60\"", OTHER),
            ("\"2026-11-22T23:07:47 Z\"", OTHER),
            ("\"2026-11-22T23:07:47ZZ\"", OTHER),
            ("\"2026-11-22T23:07:47é02:0\"", OTHER),
            ("\"0001-01-01T00:00:00+00:01\"", OTHER),
            ("\"9999-12-31T23:59:59-00:01\"", OTHER),
            ("\"2026-06-30T23:59:60Z\"", OTHER),
        ],
    );
}

#[test]
fn texts() {
    table(
        ColumnType::Varchar(4),
        &[
            ("\"\"", ""),
            ("\"abcd\"", "abcd"),
            ("\"éé\"", "éé"),
            ("\"😀\"", "😀"),
            ("\"\\ud83d\\ude00\"", "😀"),
            ("\"a \\t\"", "a \t"),
            ("\"\\u00e9\\u00e9\"", "éé"),
            ("true", "true"),
            ("1.50", "1.50"),
            ("-1e9", "-1e9"),
        ],
        &[
            ("\"abcde\"", "has 5"),
            ("\"ééé\"", "has 6"),
            ("\"😀x\"", "has 5"),
            ("false", "has 5"),
            ("10000", "has 5"),
            ("{}", "is an object"),
            ("[]", "is an array"),
        ],
    );
    table(
        ColumnType::Char(4),
        &[
            ("\"abcd\"", "abcd"),
            ("\"a\"", "a"),
            ("12", "12"),
            ("true", "true"),
        ],
        &[
            ("\"é\"", "is text with characters outside ASCII"),
            ("\"\\u00e9\"", "is text with characters outside ASCII"),
            ("\"abcde\"", "has 5"),
            ("{}", "is an object"),
        ],
    );
    let long = |bytes: usize| format!("\"{}\"", "x".repeat(bytes));
    assert!(cast(ColumnType::Varchar(65_535), &long(65_535)).is_ok());
    assert!(cast(ColumnType::Varchar(65_535), &long(65_536)).is_err());
    for json in ["\"00ff\"", "1", "true", "[]", "{}"] {
        let reason =
            "column \"k\" is VARBYTE, and how its bytes are written in JSON is not declared";
        assert_eq!(cast(ColumnType::Varbyte(9), json), Err(reason.to_owned()));
    }
}

#[test]
fn nested_values_travel_as_they_are_written() {
    for json in [
        "{}",
        "[ 1 , 2.50,\t1e3 ]",
        "\"a\\u00e9\"",
        "-0.10",
        "true",
        "[null]",
        "{\"a\":1,\"A\":2,\"b\":{\"a\":[{\"a\":1},{\"a\":1}]}}",
        "9223372036854775808",
        "[12345678901234567890123456789012345678]",
        "[0.1234567890123456789012345678901234567]",
        "[1e300,5e-324,1.7976931348623157e308]",
        "[100000000000000000000000000000000000000000]",
    ] {
        assert_eq!(
            cast(ColumnType::Super, json),
            Ok(Some(json.to_owned())),
            "{json}"
        );
    }
    let many = |last: &str| {
        let keys: Vec<_> = (0..50).map(|n| format!("\"key{n}\":{n}")).collect();
        format!("{{{},{last}}}", keys.join(","))
    };
    assert!(cast(ColumnType::Super, &many("\"key50\":0")).is_ok());
    let long = format!("\"{}\"", "é".repeat(32_768));
    for (json, reason) in [
        ("{\"a\":1,\"a\":1}", "key \"a\" twice in one object"),
        (
            "[[{\"x\":{\"a\":1,\"b\":2,\"\\u0061\":3}}]]",
            "key \"a\" twice in one object",
        ),
        (
            many("\"key7\":0").as_str(),
            "key \"key7\" twice in one object",
        ),
        (
            many("\"\\u006bey7\":0,\"key9\":1").as_str(),
            "key \"key7\" twice in one object",
        ),
        (
            "[123456789012345678901234567890123456789]",
            "a number that SUPER does not hold exactly",
        ),
        (
            "{\"a\":1.2345678901234567890e3}",
            "a number that SUPER does not hold exactly",
        ),
        ("1e400", "a number that SUPER does not hold exactly"),
        (
            "[0.00000000000000000000000000000000000000000001234567890123456789]",
            "a number that SUPER does not hold exactly",
        ),
        (&long, "a string of 65536 bytes, at most 65535 are held"),
        (
            &format!("[{{{long}:1}}]"),
            "a string of 65536 bytes, at most 65535 are held",
        ),
    ] {
        let decoded = lines(
            format!("{{\"k\":{json}}}"),
            &schema(&[("k", ColumnType::Super)]),
        );
        let wanted = format!("value of key \"k\" contains {reason}");
        assert_eq!(reasons(&decoded), [wanted]);
    }
    for json in ["[\"\\u0000\"]", "{\"\\u0000\":1}", "[\"\\udead\"]"] {
        let decoded = lines(
            format!("{{\"k\":{json}}}"),
            &schema(&[("k", ColumnType::Super)]),
        );
        assert!(
            matches!(decoded.rejects[0].reason, Reason::Text { .. }),
            "{json}"
        );
    }
}

#[test]
fn nested_values_too_long_for_their_column_are_asked_room_for() {
    let text = "x".repeat(40_000);
    let long = format!("[\"{text}\", \"{text}\"]");
    let bytes = format!("{{\"k\":{long}}}\n{{\"k\":[]}}\n");
    let mut columns = schema(&[("id", ColumnType::BigInt), ("k", ColumnType::Super)]);
    let decoded = lines(&bytes, &columns);
    assert_eq!(cells(&decoded, 1), [None, Some("[]".to_owned())]);
    let asked = outgrown(&columns, &decoded.facts);
    assert_eq!(
        asked,
        [Outgrown {
            column: 1,
            bytes: long.len() as u64
        }]
    );
    columns.columns[1].widen_nested(asked[0].bytes);
    let decoded = lines(&bytes, &columns);
    assert_eq!(outgrown(&columns, &decoded.facts), []);
    let array = decoded.columns[1]
        .as_any()
        .downcast_ref::<arrow::array::BinaryArray>();
    let values: Vec<_> = array
        .expect("bytes")
        .iter()
        .map(|value| value.map(<[u8]>::len))
        .collect();
    assert_eq!(values, [Some(long.len()), Some(2)]);
}

/// Whether a value lies in the middle of two decimals that are both the shortest. Which of them is
/// *the* shortest printers do not agree on; only the even one is kept.
fn is_between(value: f64, shortest: &str) -> bool {
    let digits = |text: &str| {
        let mantissa = text
            .split('e')
            .next()
            .expect("a mantissa")
            .trim_end_matches('0');
        mantissa.chars().filter(char::is_ascii_digit).count()
    };
    let exact = format!("{value:.1100e}");
    let exact = exact
        .split('e')
        .next()
        .expect("a mantissa")
        .trim_end_matches('0');
    exact.ends_with('5') && digits(exact) == digits(shortest) + 1
}

proptest! {
    /// Any double is kept by its shortest decimal, and one more digit is not.
    #[test]
    fn doubles_are_kept_by_their_shortest_decimal(bits in any::<u64>()) {
        let value = f64::from_bits(bits);
        let shortest = format!("{value:e}");
        prop_assume!(value.is_finite() && value != 0.0 && !is_between(value, &shortest));
        let columns = schema(&[("k", ColumnType::Double)]);
        let decoded = lines(format!("{{\"k\":{shortest}}}{{\"k\":{value}}}"), &columns);
        let array = decoded.columns[0].as_any().downcast_ref::<arrow::array::Float64Array>();
        let values: Vec<_> = array.expect("doubles").iter().flatten().map(f64::to_bits).collect();
        prop_assert_eq!(values, vec![bits; 2]);
        let (digits, exponent) = shortest.split_once('e').expect("an exponent");
        let point = if digits.contains('.') { "" } else { "." };
        let longer = format!("{digits}{point}00000000000000001e{exponent}");
        prop_assert_eq!(cast(ColumnType::Double, &longer), Err(INEXACT.to_owned()));
    }

    #[test]
    fn reals_are_kept_by_their_shortest_decimal(bits in any::<u32>()) {
        let value = f32::from_bits(bits);
        let shortest = format!("{value:e}");
        prop_assume!(value.is_finite() && value != 0.0 && !is_between(value.into(), &shortest));
        let columns = schema(&[("k", ColumnType::Real)]);
        let decoded = lines(format!("{{\"k\":{shortest}}}"), &columns);
        let array = decoded.columns[0].as_any().downcast_ref::<arrow::array::Float32Array>();
        let values: Vec<_> = array.expect("floats").iter().flatten().map(f32::to_bits).collect();
        prop_assert_eq!(values, vec![bits]);
    }

    /// However its digits are spread over point and exponent, a decimal is the same number.
    #[test]
    fn decimals_do_not_depend_on_their_spelling(
        unscaled in -99_999_999_999_999_999_999_999_999_999_999_999_999_i128..=99_999_999_999_999_999_999_999_999_999_999_999_999,
        shrink in 0_u32..38,
        scale in 0_u8..=37,
        zeros in 0_usize..4,
    ) {
        let unscaled = unscaled / 10_i128.pow(shrink);
        let columns = schema(&[("k", ColumnType::Decimal { precision: 38, scale })]);
        let sign = if unscaled < 0 { "-" } else { "" };
        let digits = unscaled.unsigned_abs().to_string();
        let padding = "0".repeat(zeros);
        let padded = format!("{digits:0>width$}", width = usize::from(scale) + 1);
        let (whole, fraction) = padded.split_at(padded.len() - usize::from(scale));
        let point = if scale == 0 { String::new() } else { format!(".{fraction}{padding}") };
        let lead = &digits[..1];
        let tail = if digits.len() == 1 { String::new() } else { format!(".{}", &digits[1..]) };
        let exponent = digits.len() as i64 - 1 - i64::from(scale);
        for json in [
            format!("{sign}{digits}e-{scale}"),
            format!("{sign}{whole}{point}"),
            format!("{sign}{lead}{tail}E{exponent:+}"),
        ] {
            let decoded = lines(format!("{{\"k\":{json}}}"), &columns);
            let array = decoded.columns[0].as_any().downcast_ref::<arrow::array::Decimal128Array>();
            prop_assert_eq!(array.expect("decimals").iter().next(), Some(Some(unscaled)), "{}", json);
        }
    }

    /// A calendar written by others agrees on every day.
    #[test]
    fn dates_and_instants_agree_with_another_calendar(
        second in -62_135_596_800_i64..253_402_300_800,
        microsecond in 0_i64..1_000_000,
        offset in -1_439_i64..=1_439,
    ) {
        let micros = second * 1_000_000 + microsecond;
        let instant = jiff::Timestamp::from_microsecond(micros).expect("in range");
        let shown = |seconds: i64| {
            let zone = jiff::tz::Offset::from_seconds(i32::try_from(seconds).expect("small")).expect("small");
            let local = zone.to_datetime(instant);
            local.strftime("%Y-%m-%dT%H:%M:%S.%6f").to_string()
        };
        let columns = schema(&[("z", ColumnType::TimestampTz), ("t", ColumnType::Timestamp), ("d", ColumnType::Date)]);
        let utc = shown(0);
        let sign = if offset < 0 { '-' } else { '+' };
        let local = instant.checked_add(jiff::SignedDuration::from_mins(offset));
        let local = match local {
            Ok(local) if (1..=9999).contains(&jiff::tz::Offset::UTC.to_datetime(local).year()) => {
                format!("{}{sign}{:02}:{:02}", shown(offset * 60), offset.abs() / 60, offset.abs() % 60)
            }
            _ => format!("{utc}Z"),
        };
        let day = &utc[..10];
        let decoded = lines(format!("{{\"z\":\"{local}\",\"t\":\"{utc}\",\"d\":\"{day}\"}}"), &columns);
        prop_assert_eq!(reasons(&decoded), Vec::<String>::new());
        for column in 0..2 {
            let array = decoded.columns[column].as_any().downcast_ref::<arrow::array::TimestampMicrosecondArray>();
            prop_assert_eq!(array.expect("instants").value(0), micros);
        }
        let array = decoded.columns[2].as_any().downcast_ref::<arrow::array::Date32Array>();
        prop_assert_eq!(i64::from(array.expect("dates").value(0)), second.div_euclid(86_400));
    }
}
