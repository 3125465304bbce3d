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

const INEXACT: &str = "is a number it does not hold exactly";

#[test]
fn texts_are_as_long_as_they_may_be() {
    let long = |bytes: usize| format!("\"{}\"", "x".repeat(bytes));
    assert!(cast(ColumnType::Varchar(65_535), &long(65_535)).is_ok());
    assert!(cast(ColumnType::Varchar(65_535), &long(65_536)).is_err());
}

#[test]
fn zeros_keep_their_sign_where_there_is_one() {
    let columns = schema(&[("d", ColumnType::Double), ("r", ColumnType::Real)]);
    let decoded = lines("{\"d\":-0.0,\"r\":-0}", &columns);
    assert_eq!(cell(&decoded.columns[0], 0).as_deref(), Some("-0.0"));
    assert_eq!(cell(&decoded.columns[1], 0).as_deref(), Some("-0.0"));
}

#[test]
fn long_nested_values_are_looked_through() {
    let many = |last: &str| {
        let keys: Vec<_> = (0..50).map(|n| format!("\"key{n}\":{n}")).collect();
        format!("{{{},{last}}}", keys.join(","))
    };
    assert!(cast(ColumnType::Super, &many("\"key50\":0")).is_ok());
    let long = format!("\"{}\"", "é".repeat(32_768));
    for (json, reason) in [
        (
            many("\"key7\":0").as_str(),
            "key \"key7\" twice in one object",
        ),
        (
            many("\"\\u006bey7\":0,\"key9\":1").as_str(),
            "key \"key7\" twice in one object",
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
}

#[test]
fn nested_values_too_long_for_their_column_are_asked_room_for() {
    let text = "x".repeat(40_000);
    let long = format!("[\"{text}\", \"{text}\"]");
    let bytes = format!("{{\"k\":{long}}}\n{{\"k\":[]}}\n");
    let mut columns = schema(&[("id", ColumnType::BigInt), ("k", ColumnType::Super)]);
    let decoded = lines(&bytes, &columns);
    assert_eq!(cells(&decoded, 1), [None, Some("[]".to_owned())]);
    let asked = &decoded.outgrown;
    assert_eq!(
        *asked,
        [Outgrown {
            column: 1,
            bytes: long.len() as u64
        }]
    );
    columns.columns[1].widen_nested(asked[0].bytes);
    let decoded = lines(&bytes, &columns);
    assert_eq!(decoded.outgrown, []);
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
