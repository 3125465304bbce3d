//! What Redshift knows by name: its functions, its commands, its settings. Lists, and nothing else.
//!
//! `calls` and `unjudged` look names up here. A name is in lower case. A list says where it comes from; what is on
//! none of them is unjudged: PostgreSQL decides, and the log says so.

/// What becomes of a function called by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// PostgreSQL's, or one of `sql/`, behaves as Redshift's.
    Same,
    /// PostgreSQL has another one of this name: `local_redshift` has Redshift's, under this name.
    Ours(&'static str),
    /// Redshift does not have it, whatever PostgreSQL has.
    Absent,
    /// Redshift has it, this local one has not.
    Missing,
    /// On no list.
    Unknown,
}

/// Looks a function up by its name in lower case.
#[must_use]
pub fn function(name: &str) -> Standing {
    if let Some((_, ours)) = OURS.iter().find(|(theirs, _)| *theirs == name) {
        Standing::Ours(ours)
    } else if SAME.contains(&name) {
        Standing::Same
    } else if ABSENT.contains(&name)
        || ABSENT_FAMILIES
            .iter()
            .any(|family| name.starts_with(family))
    {
        Standing::Absent
    } else if MISSING.contains(&name) || name.starts_with("st_") || name.starts_with("hll") {
        Standing::Missing
    } else if name.starts_with("f_") {
        // Redshift: Naming UDFs: the prefix f_ is kept free of built-in functions.
        Standing::Same
    } else {
        Standing::Unknown
    }
}

/// Functions that PostgreSQL has otherwise, and the name of Redshift's in `local_redshift`.
const OURS: &[(&str, &str)] = &[
    ("array", "array"),
    ("concat", "concat"),
    ("date_part", "pgdate_part"),
    ("date_trunc", "date_trunc"),
    ("dateadd", "date_add"),
    ("datediff", "date_diff"),
    ("json_array_length", "json_array_length"),
    ("json_extract_path_text", "json_extract_path_text"),
    ("json_typeof", "json_typeof"),
    ("listagg", "listagg"),
    ("object", "object"),
    ("pgdate_part", "pgdate_part"),
    ("regexp_replace", "regexp_replace"),
    ("regexp_substr", "regexp_substr"),
];

/// Redshift: SQL functions reference; Leader node-only functions; System administration and information functions.
#[rustfmt::skip]
const SAME: &[&str] = &[
    // Aggregates and windows
    "any_value", "avg", "bit_and", "bit_or", "bool_and", "bool_or", "count", "max", "min", "percentile_cont",
    "percentile_disc", "stddev", "stddev_pop", "stddev_samp", "sum", "var_pop", "var_samp", "variance",
    "cume_dist", "dense_rank", "first_value", "lag", "last_value", "lead", "nth_value", "ntile", "percent_rank",
    "rank", "row_number",
    // Conditions and types
    "case", "cast", "coalesce", "convert", "decode", "greatest", "least", "nullif", "nvl", "nvl2", "to_char",
    "to_date", "to_number", "text_to_int_alt", "text_to_numeric_alt", "try_cast",
    // Dates and times
    "add_months", "age", "convert_timezone", "current_date", "current_time", "current_timestamp", "date_cmp",
    "date_cmp_timestamp", "extract", "getdate", "last_day", "localtime", "localtimestamp", "months_between",
    "next_day", "now", "sysdate", "timeofday", "timestamp_cmp", "timezone", "to_timestamp", "trunc", "interval_cmp",
    // Numbers
    "abs", "acos", "asin", "atan", "atan2", "cbrt", "ceil", "ceiling", "cos", "cot", "degrees", "exp", "floor", "ln",
    "log", "mod", "pi", "pow", "power", "radians", "random", "round", "sign", "sin", "sqrt", "tan", "to_hex",
    // Texts
    "ascii", "bpcharcmp", "btrim", "char_length", "character_length", "charindex", "chr", "initcap",
    "left", "len", "length", "lower", "lpad", "ltrim", "octet_length", "position", "quote_ident",
    "quote_literal", "regexp_count", "regexp_instr", "repeat", "replace", "replicate", "reverse", "right", "rpad",
    "rtrim", "split_part", "strpos", "strtol", "substr", "substring", "textlen", "translate", "trim", "upper",
    // Hashes and bytes
    "from_hex", "from_varbyte", "get_bit", "get_byte", "md5", "set_bit", "set_byte", "sha2", "to_varbyte",
    // JSON and SUPER
    "array_concat", "can_json_parse", "get_array_length", "is_array", "is_bigint", "is_boolean", "is_char",
    "is_decimal", "is_float", "is_integer", "is_object", "is_scalar", "is_smallint", "is_valid_json",
    "is_valid_json_array", "is_varchar", "json_extract_array_element_text", "json_parse", "json_serialize",
    "json_serialize_to_varbyte", "json_size", "split_to_array", "subarray",
    // The system and the session
    "current_database", "current_schema", "current_schemas", "current_setting", "current_user", "default_iam_role",
    "has_database_privilege", "has_schema_privilege", "has_table_privilege", "pg_backend_pid",
    "pg_cancel_backend", "pg_get_userbyid", "pg_last_copy_count", "pg_last_copy_id", "pg_terminate_backend",
    "session_user", "set_config", "user", "version", "col_description", "obj_description",
    // The leader node's, which read the catalog (PostgreSQL 8.0 has them)
    "array_dims", "array_lower", "array_to_string", "array_upper", "format_type", "generate_series",
    "has_function_privilege", "has_language_privilege", "has_tablespace_privilege", "pg_client_encoding",
    "pg_encoding_to_char", "pg_function_is_visible", "pg_get_constraintdef", "pg_get_expr", "pg_get_indexdef",
    "pg_get_ruledef", "pg_get_viewdef", "pg_opclass_is_visible", "pg_operator_is_visible", "pg_stat_get_backend_pid",
    "pg_table_is_visible", "pg_type_is_visible", "string_to_array", "nextval", "currval", "setval", "grouping",
    "grouping_id", "pg_stat_get_numscans", "width_of_type", "oidvectortypes", "pg_get_function_arguments",
    // Redshift's own, which read the catalog (they exist where sql/ has them)
    "current_user_id", "format_encoding", "pg_get_cols", "pg_get_grantee_by_iam_role", "pg_get_iam_role_by_user",
    "pg_get_late_binding_view_cols", "pg_last_query_id", "pg_last_unload_count",
    "shobj_description",
];

/// Functions of PostgreSQL that Redshift does not have. Redshift: Unsupported PostgreSQL functions; and those that
/// PostgreSQL has only had since 8.1 (it is of 8.0.2 that Redshift was made).
#[rustfmt::skip]
const ABSENT: &[&str] = &[
    "array_agg", "array_append", "array_cat", "array_fill", "array_length", "array_ndims", "array_position",
    "array_positions", "array_prepend", "array_remove", "array_replace", "array_to_json", "bit_length", "cardinality",
    "clock_timestamp", "concat_ws", "convert_from", "convert_to", "corr", "covar_pop", "covar_samp",
    "current_catalog", "current_query", "date_bin", "div", "encode", "erf", "every", "factorial", "format", "gcd",
    "gen_random_uuid", "generate_subscripts", "inet_client_addr", "inet_client_port", "inet_server_addr",
    "inet_server_port", "justify_days", "justify_hours", "justify_interval", "lcm", "make_date",
    "make_interval", "make_time", "make_timestamp", "make_timestamptz", "min_scale", "mode", "normalize",
    "num_nonnulls", "num_nulls", "overlay", "parse_ident", "pg_conf_load_time", "pg_is_other_temp_schema",
    "pg_listening_channels", "pg_my_temp_schema", "pg_notify", "pg_postmaster_start_time", "pg_sleep",
    "pg_sleep_for", "pg_sleep_until", "pg_trigger_depth", "pg_typeof", "query_to_xml", "quote_nullable",
    "range_agg", "range_merge", "regexp_like", "regexp_match", "regexp_matches", "regexp_split_to_array",
    "regexp_split_to_table", "regr_avgx", "regr_avgy", "regr_count", "regr_intercept", "regr_r2", "regr_slope",
    "regr_sxx", "regr_sxy", "regr_syy", "row_to_json", "scale", "setseed", "sha224", "sha256", "sha384", "sha512",
    "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "starts_with", "statement_timestamp", "string_agg",
    "string_to_table", "to_json", "to_jsonb", "to_regclass", "to_regtype", "transaction_timestamp", "trim_array",
    "trim_scale", "unistr", "width_bucket", "xml_agg", "xmlagg", "xmlparse", "xmlserialize",
    "xpath", "json_agg", "json_array_elements", "json_array_elements_text", "json_build_array", "json_build_object",
    "json_each", "json_each_text", "json_extract_path", "json_object", "json_object_agg", "json_object_keys",
    "json_populate_record", "json_populate_recordset", "json_strip_nulls", "json_to_record", "json_to_recordset",
];

/// Beginnings of names that only functions of PostgreSQL have.
const ABSENT_FAMILIES: &[&str] = &[
    "jsonb_",
    "lo_",
    "pg_advisory_",
    "pg_ls_",
    "pg_read_",
    "pg_try_advisory_",
    "pg_wal_",
    "ts_",
    "txid_",
];

/// Functions of Redshift that this one does not have (and all of geometry, `st_`, and sketches, `hll`).
#[rustfmt::skip]
const MISSING: &[&str] = &[
    "array_flatten", "ai_generate_text", "bttext_pattern_cmp", "checksum", "collate", "crc32", "current_aws_account",
    "current_namespace", "current_session_arn", "decimal_precision", "decimal_scale",
    "difference", "explain_model", "farmfingerprint64", "farmhash64", "fnv_hash", "func_sha1", "geometrytype",
    "get_number_attributes", "h3_frompoint", "lower_attribute_names", "unnest", "murmur3_32_hash", "object_transform",
    "octetindex", "ratio_to_report", "sha", "sha1",
    "soundex",
];

/// The commands of Redshift that this one passes on or carries out, each by its first words.
/// Redshift: SQL commands.
#[rustfmt::skip]
pub const COMMANDS: &[&str] = &[
    "ABORT", "ALTER DATABASE", "ALTER DEFAULT PRIVILEGES", "ALTER FUNCTION", "ALTER GROUP", "ALTER ROLE",
    "ALTER SCHEMA", "ALTER TABLE", "ALTER USER", "ALTER VIEW", "ANALYZE", "BEGIN", "CLOSE", "COMMENT", "COMMIT",
    "COPY", "CREATE DATABASE", "CREATE EXTERNAL SCHEMA", "CREATE EXTERNAL TABLE", "CREATE FUNCTION", "CREATE GROUP",
    "CREATE MATERIALIZED VIEW", "CREATE OR REPLACE FUNCTION",
    "CREATE OR REPLACE VIEW", "CREATE ROLE", "CREATE SCHEMA", "CREATE TABLE", "CREATE TEMP TABLE",
    "CREATE TEMPORARY TABLE", "CREATE LOCAL TEMP TABLE", "CREATE LOCAL TEMPORARY TABLE", "CREATE USER", "CREATE VIEW",
    "DEALLOCATE", "DECLARE", "DELETE", "DROP DATABASE", "DROP FUNCTION", "DROP GROUP", "DROP MATERIALIZED VIEW",
    "DROP ROLE", "DROP SCHEMA",
    "DROP TABLE", "DROP USER", "DROP VIEW", "END", "EXECUTE", "EXPLAIN", "FETCH", "GRANT", "INSERT", "LOCK", "MERGE",
    "PREPARE", "REFRESH MATERIALIZED VIEW", "RESET", "REVOKE", "ROLLBACK", "SELECT", "SET", "SHOW", "START TRANSACTION", "TRUNCATE", "UPDATE",
    "VACUUM", "WITH",
];

/// Settings that PostgreSQL knows and Redshift too. Redshift: Configuration reference; PostgreSQL 8.0.
#[rustfmt::skip]
pub const SETTINGS: &[&str] = &[
    "application_name", "client_encoding", "client_min_messages", "datestyle", "extra_float_digits", "names",
    "search_path", "seed", "session_authorization", "statement_timeout", "time", "timezone", "transaction",
    "characteristics",
];

/// Settings of Redshift that change nothing here: they are kept under `redshift.`.
/// Redshift: Configuration reference.
#[rustfmt::skip]
pub const SETTINGS_OF_OURS: &[&str] = &[
    "analyze_threshold_percent", "auto_analyze", "cast_super_null_on_error", "datashare_break_glass_session_var",
    "default_geometry_encoding", "default_transaction_isolation", "describe_field_name_in_uppercase",
    "enable_case_sensitive_identifier", "enable_case_sensitive_super_attribute", "enable_numeric_rounding",
    "enable_result_cache_for_session", "enable_spectrum_oid", "enable_vacuum_boost",
    "error_on_nondeterministic_update", "interval_forbid_composite_literals", "json_serialization_enable",
    "json_serialization_parse_nested_strings", "max_concurrency_scaling_clusters", "max_cursor_result_set_size",
    "mv_enable_aqmv_for_session", "navigate_super_null_on_error", "parse_super_null_on_error",
    "pg_federation_repeatable_read", "query_group", "spectrum_enable_pseudo_columns", "spectrum_query_maxerror",
    "stored_proc_log_min_messages", "transaction_isolation", "use_fips_ssl", "wlm_query_slot_count",
    "downcase_delimited_identifier",
];

/// Settings that PostgreSQL has only had since 8.1, or has as one of the server's.
#[rustfmt::skip]
pub const SETTINGS_ABSENT: &[&str] = &[
    "array_nulls", "backslash_quote", "bytea_output", "check_function_bodies", "constraint_exclusion",
    "default_table_access_method", "default_tablespace", "default_text_search_config", "escape_string_warning",
    "gin_fuzzy_search_limit", "idle_in_transaction_session_timeout", "idle_session_timeout", "intervalstyle", "jit",
    "lock_timeout", "plan_cache_mode", "role", "row_security", "session_replication_role", "standard_conforming_strings",
    "synchronous_commit", "xmlbinary", "xmloption",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_is_on_two_lists() {
        let mut names: Vec<&str> = OURS.iter().map(|(name, _)| *name).collect();
        names.extend(SAME);
        names.extend(ABSENT);
        names.extend(MISSING);
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
        let mut settings: Vec<&str> = SETTINGS.iter().chain(SETTINGS_OF_OURS).copied().collect();
        settings.extend(SETTINGS_ABSENT);
        settings.sort_unstable();
        let all = settings.len();
        settings.dedup();
        assert_eq!(settings.len(), all);
    }

    #[test]
    fn functions_stand_where_they_should() {
        for (name, standing) in [
            ("count", Standing::Same),
            ("f_mine", Standing::Same),
            ("dateadd", Standing::Ours("date_add")),
            ("string_agg", Standing::Absent),
            ("jsonb_set", Standing::Absent),
            ("st_area", Standing::Missing),
            ("fnv_hash", Standing::Missing),
            ("mine", Standing::Unknown),
        ] {
            assert_eq!(function(name), standing, "{name}");
        }
    }
}
