//! The compose file, as far as a machine without a container engine can judge it.

use std::process::Command;

use crate::support::*;

#[test]
fn the_compose_file_names_pinned_images_loopback_ports_and_options_that_exist() {
    let output = Command::new(root().join("tests/foreign/python"))
        .arg(root().join("tests/foreign/compose.py"))
        .arg(root().join("localstack/compose.yaml"))
        .output()
        .expect("Python starts");
    let compose = Run::of(output).expect(0).json();
    let services = compose["services"].as_object().expect("services");
    assert_eq!(
        services.keys().collect::<Vec<_>>(),
        ["localstack", "postgres", "redshift"]
    );
    for (name, service) in services {
        match service["image"].as_str() {
            Some(image) => {
                let (_, tag) = image.split_once(':').expect("a tag");
                assert!(
                    tag != "latest" && tag.starts_with(|c: char| c.is_ascii_digit()),
                    "{image}"
                );
            }
            None => {
                let file = service["build"]["dockerfile"]
                    .as_str()
                    .expect("a Dockerfile");
                assert!(root().join(file).is_file(), "{file}");
            }
        }
        assert!(
            service["healthcheck"]["test"].is_array(),
            "{name} says when it is ready"
        );
        for port in service["ports"].as_array().into_iter().flatten() {
            assert!(
                port.as_str().expect("a text").starts_with("127.0.0.1:"),
                "{name}: {port}"
            );
        }
        for other in service["depends_on"].as_object().into_iter().flatten() {
            assert!(
                services.contains_key(other.0),
                "{name} waits for {}",
                other.0
            );
        }
    }
    let help = Command::new("local-redshift")
        .args(["run", "--help"])
        .output()
        .expect("it is on PATH");
    let help = String::from_utf8(help.stdout).expect("UTF-8");
    for option in services["redshift"]["command"].as_array().expect("a list") {
        let (name, _) = option
            .as_str()
            .and_then(|option| option.split_once('='))
            .expect("--name=value");
        assert!(
            help.contains(name),
            "{name} is no option of local-redshift run"
        );
    }
}
