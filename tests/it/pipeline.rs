//! `pipeline.json`: what Pachyderm's schema of a pipeline asks of it, and whether the program it starts
//! takes its command and its variables.
//!
//! Forms are those of Pachyderm's `CreatePipelineRequest` schema (2.x): names in camel case, nothing it
//! does not know, integers as numbers, durations as seconds with an `s`.

use std::collections::BTreeMap;

use serde_json::Value;
use stagecopy::settings::table::SETTINGS;

use crate::support::*;

/// What the AWS SDK reads beside the table of settings.
const OF_AWS: &[&str] = &[
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
];

enum Form {
    Text,
    Whole,
    Number,
    Seconds,
    Flag,
    /// Texts under names of the user's choice
    Map,
    List(&'static Form),
    Object(&'static [(&'static str, Form)]),
}

use Form::{Flag, List, Map, Number, Object, Seconds, Text, Whole};

const RESOURCES: Form = Object(&[("cpu", Number), ("memory", Text), ("disk", Text)]);
const PIPELINE: Form = Object(&[
    (
        "pipeline",
        Object(&[("name", Text), ("project", Object(&[("name", Text)]))]),
    ),
    ("description", Text),
    (
        "input",
        Object(&[(
            "pfs",
            Object(&[
                ("name", Text),
                ("project", Text),
                ("repo", Text),
                ("branch", Text),
                ("glob", Text),
                ("lazy", Flag),
                ("emptyFiles", Flag),
            ]),
        )]),
    ),
    (
        "transform",
        Object(&[
            ("image", Text),
            ("cmd", List(&Text)),
            ("env", Map),
            (
                "secrets",
                List(&Object(&[
                    ("name", Text),
                    ("key", Text),
                    ("mountPath", Text),
                    ("envVar", Text),
                ])),
            ),
            ("acceptReturnCode", List(&Whole)),
            ("user", Text),
            ("workingDir", Text),
        ]),
    ),
    ("parallelismSpec", Object(&[("constant", Whole)])),
    ("datumTries", Whole),
    ("datumTimeout", Seconds),
    ("jobTimeout", Seconds),
    ("reprocessSpec", Text),
    ("autoscaling", Flag),
    ("resourceRequests", RESOURCES),
    ("resourceLimits", RESOURCES),
]);

/// What in `value`, which stands at `at`, is not of its form.
fn complaints(at: &str, value: &Value, form: &Form) -> Vec<String> {
    let is = |well: bool, what: &str| {
        if well {
            vec![]
        } else {
            vec![format!("{at} is {value}, not {what}")]
        }
    };
    match (form, value) {
        (Text, _) => is(value.is_string(), "a text"),
        (Flag, _) => is(value.is_boolean(), "a boolean"),
        (Number, _) => is(value.is_number(), "a number"),
        (Whole, _) => is(value.as_i64().is_some(), "an integer"),
        (Seconds, _) => is(value.as_str().is_some_and(is_duration), "seconds with an s"),
        (List(form), Value::Array(items)) => items
            .iter()
            .enumerate()
            .flat_map(|(index, item)| complaints(&format!("{at}[{index}]"), item, form))
            .collect(),
        (Map, Value::Object(fields)) => fields
            .iter()
            .flat_map(|(name, value)| complaints(&format!("{at}.{name}"), value, &Text))
            .collect(),
        (Object(known), Value::Object(fields)) => fields
            .iter()
            .flat_map(
                |(name, value)| match known.iter().find(|(other, _)| name == other) {
                    Some((_, form)) => complaints(&format!("{at}.{name}"), value, form),
                    None => vec![format!("{at}.{name} is not known")],
                },
            )
            .collect(),
        (List(_), _) => is(false, "a list"),
        (Map | Object(_), _) => is(false, "an object"),
    }
}

/// The schema's `^([0-9]+\.?[0-9]*|\.[0-9]+)s$`.
fn is_duration(text: &str) -> bool {
    let Some(number) = text.strip_suffix('s') else {
        return false;
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole) && digits(part) && !(whole.is_empty() && part.is_empty())
}

fn pipeline() -> Value {
    let text =
        std::fs::read_to_string(root().join("pipeline.json")).expect("pipeline.json is there");
    serde_json::from_str(&text).expect("pipeline.json is JSON")
}

fn words(value: &Value) -> Vec<String> {
    let words = value.as_array().expect("a list");
    words
        .iter()
        .map(|word| word.as_str().expect("a text").to_owned())
        .collect()
}

/// The variables the program finds in a worker: the transform's own, and those from secrets.
fn variables(pipeline: &Value) -> BTreeMap<String, String> {
    let transform = &pipeline["transform"];
    let own = transform["env"].as_object().expect("an object");
    let own = own
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().expect("a text").to_owned()));
    let secrets = transform["secrets"].as_array().expect("a list").iter();
    let secrets = secrets
        .filter_map(|secret| Some((secret["envVar"].as_str()?.to_owned(), "secret".to_owned())));
    own.chain(secrets).collect()
}

#[test]
fn it_has_the_forms_of_pachyderms_schema() {
    assert_eq!(complaints("", &pipeline(), &PIPELINE), Vec::<String>::new());
    for (text, wanted) in [
        (
            r#"{"datumTries": "3"}"#,
            ".datumTries is \"3\", not an integer",
        ),
        (
            r#"{"datumTimeout": "10m"}"#,
            ".datumTimeout is \"10m\", not seconds with an s",
        ),
        (
            r#"{"jobTimeout": ".s"}"#,
            ".jobTimeout is \".s\", not seconds with an s",
        ),
        (
            r#"{"parallelism_spec": {}}"#,
            ".parallelism_spec is not known",
        ),
        (
            r#"{"transform": {"secrets": [{"env_var": "A"}]}}"#,
            ".transform.secrets[0].env_var is not known",
        ),
    ] {
        let value = serde_json::from_str(text).expect("JSON");
        assert_eq!(complaints("", &value, &PIPELINE), [wanted]);
    }
    let fits: Value = serde_json::json!({"datumTimeout": "3600s", "jobTimeout": "1.5s"});
    assert_eq!(complaints("", &fits, &PIPELINE), Vec::<String>::new());
}

#[test]
fn it_passes_what_pachyderm_checks_at_creation() {
    let pipeline = pipeline();
    let text = |pointer: &str| {
        pipeline
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let name = text("/pipeline/name");
    assert!(
        name.len() <= 51 && name.starts_with(|letter: char| letter.is_ascii_alphanumeric()),
        "{name}"
    );
    assert!(
        name.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)),
        "{name}"
    );
    assert_ne!(text("/input/pfs/repo"), "");
    // one datum: one load takes what is new, and a retry of it finds what was loaded
    assert_eq!(text("/input/pfs/glob"), "/");
    assert_eq!(pipeline["parallelismSpec"]["constant"], 1);
    assert_eq!(
        text("/transform/image"),
        format!("stagecopy:{}", env!("CARGO_PKG_VERSION"))
    );
    for secret in pipeline["transform"]["secrets"].as_array().expect("a list") {
        let mounted = secret["mountPath"]
            .as_str()
            .is_some_and(|path| path.starts_with('/'));
        let variable = secret["envVar"].is_string() && secret["key"].is_string();
        assert!(
            secret["name"].is_string() && (mounted != variable),
            "{secret}"
        );
    }
}

#[test]
fn every_variable_is_one_that_is_read() {
    for name in variables(&pipeline()).keys() {
        let known = SETTINGS
            .iter()
            .any(|setting| setting.variables.contains(&name.as_str()));
        assert!(
            known || OF_AWS.contains(&name.as_str()),
            "nobody reads {name}"
        );
    }
}

#[test]
fn the_command_and_its_variables_are_accepted() {
    let (pipeline, folder) = (pipeline(), Folder::new());
    let command = words(&pipeline["transform"]["cmd"]);
    let dockerfile = std::fs::read_to_string(root().join("Dockerfile")).expect("the Dockerfile");
    assert!(
        dockerfile.contains(&format!("ENTRYPOINT [\"{}\"]", command[0])),
        "{}",
        command[0]
    );
    let mount = format!(
        "/pfs/{}",
        pipeline["input"]["pfs"]["name"].as_str().expect("a name")
    );
    assert!(
        command.contains(&mount),
        "{command:?} does not read {mount}"
    );

    let mut variables = variables(&pipeline);
    let shown = run(stagecopy()
        .env_clear()
        .envs(&variables)
        .args(["config", "show"]))
    .expect(0);
    for name in pipeline["transform"]["env"]
        .as_object()
        .expect("an object")
        .keys()
    {
        assert!(
            shown.stdout.contains(name),
            "{name} has no effect:\n{}",
            shown.stdout
        );
    }

    // The same command with its mounts where a test can have them, and a database and an S3 that are not there:
    // it fails for that and not for what it was given.
    let file = folder.file("data/orders.json", "{\"id\":1}\n");
    let input = file.parent().expect("a folder").to_str().expect("text");
    let secret = folder.file("pgpass", "*:*:*:*:opensesame\n");
    variables.insert(
        "PGPASSFILE".to_owned(),
        secret.to_str().expect("text").to_owned(),
    );
    variables.insert("REDSHIFT_ENDPOINT".to_owned(), "127.0.0.1".to_owned());
    variables.insert("REDSHIFT_PORT".to_owned(), "1".to_owned());
    variables.insert(
        "AWS_ENDPOINT_URL".to_owned(),
        "http://127.0.0.1:1".to_owned(),
    );
    let arguments = command[1..]
        .iter()
        .map(|word| if *word == mount { input } else { word.as_str() });
    let refused = run(stagecopy().env_clear().envs(&variables).args(arguments)).expect(1);
    let wanted = format!(
        "error: failed to load public.{}: ",
        variables["REDSHIFT_TABLE"]
    );
    assert!(refused.error().starts_with(&wanted), "{}", refused.stderr);
    assert!(!refused.stderr.contains("opensesame"), "{}", refused.stderr);
}
