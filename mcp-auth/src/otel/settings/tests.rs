use super::*;

fn read(variables: &[(&str, &str)]) -> (Option<Settings>, Vec<Problem>) {
    let value = |name: &str| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    let names: Vec<_> = variables
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    let variables = Variables {
        value: &value,
        names: &names,
    };
    Settings::read(variables, Some(("documents", "2.1")))
}

/// The settings of these variables, besides the endpoint. They have no problem.
fn settings(variables: &[(&str, &str)]) -> Settings {
    let endpoint = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")];
    let (settings, problems) = read(&[&endpoint, variables].concat());
    assert_eq!(problems, [], "{variables:?}");
    settings.unwrap()
}

#[test]
fn nothing_is_exported_without_a_variable_that_asks_for_it() {
    for variables in [
        &[][..],
        &[("OTEL_SERVICE_NAME", "documents")],
        &[("OTEL_TRACES_SAMPLER", "always_on")],
        &[("OTEL_EXPORTER_OTLP_HEADERS", "a=b")],
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318"),
            ("OTEL_SDK_DISABLED", "TRUE"),
        ],
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318"),
            ("OTEL_TRACES_EXPORTER", "none"),
        ],
    ] {
        let (settings, problems) = read(variables);
        assert!(settings.is_none(), "{variables:?}");
        assert_eq!(problems, [], "{variables:?}");
    }
}

#[test]
fn the_endpoint_for_all_signals_is_a_base_and_the_one_for_traces_is_used_as_it_is() {
    let all = "OTEL_EXPORTER_OTLP_ENDPOINT";
    let traces = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
    for (variables, endpoint) in [
        (
            &[("OTEL_TRACES_EXPORTER", "otlp")][..],
            "http://localhost:4318/v1/traces",
        ),
        (&[(all, "http://c:4318")], "http://c:4318/v1/traces"),
        (&[(all, "https://c/otlp/")], "https://c/otlp/v1/traces"),
        (&[(traces, "https://c/mine")], "https://c/mine"),
        (&[(traces, "https://c")], "https://c/"),
        (&[(all, "http://a"), (traces, "http://b/x")], "http://b/x"),
    ] {
        let (settings, problems) = read(variables);
        assert_eq!(problems, [], "{variables:?}");
        assert_eq!(settings.unwrap().endpoint.as_str(), endpoint);
    }
}

#[test]
fn the_defaults_are_those_of_the_specification() {
    let settings = settings(&[]);
    assert_eq!(settings.timeout, Duration::from_secs(10));
    assert_eq!(settings.delay, Duration::from_secs(5));
    assert_eq!((settings.queue, settings.batch), (2048, 512));
    assert!(settings.takes_parent);
    let all = Rule {
        ratio: 1.0,
        follows_client: true,
    };
    assert_eq!(settings.sampling, all);
    let named = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        settings.resource,
        [
            named("service.name", "documents"),
            named("service.version", "2.1")
        ]
    );
}

#[test]
fn every_setting_is_read() {
    let settings = settings(&[
        ("OTEL_BSP_EXPORT_TIMEOUT", "700"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "100"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "64"),
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "authorization=Bearer%20x, x-team = a",
        ),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "900"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "800"),
        ("OTEL_PROPAGATORS", "baggage"),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "service.name=a,deployment.environment.name=us%2Ceast",
        ),
        ("OTEL_SERVICE_NAME", "b"),
        ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
        // These are about other signals and other languages.
        ("OTEL_METRICS_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://logs"),
        ("OTEL_JAVAAGENT_ENABLED", "true"),
    ]);
    assert_eq!(settings.timeout, Duration::from_millis(700));
    assert_eq!(settings.delay, Duration::from_millis(50));
    assert_eq!((settings.queue, settings.batch), (64, 64));
    assert!(!settings.takes_parent);
    let quarter = Rule {
        ratio: 0.25,
        follows_client: true,
    };
    assert_eq!(settings.sampling, quarter);
    let resource: Vec<_> = settings
        .resource
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    assert_eq!(
        resource,
        [
            "service.name=documents",
            "service.version=2.1",
            "service.name=a",
            "deployment.environment.name=us,east",
            "service.name=b",
        ]
    );
}

#[test]
fn a_value_that_is_not_honoured_is_a_problem_without_the_value() {
    const SECRET: &str = "hunter2";
    for (name, stops) in [
        ("OTEL_TRACES_EXPORTER", true),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", true),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", true),
        ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", false),
        ("OTEL_EXPORTER_OTLP_HEADERS", false),
        ("OTEL_SDK_DISABLED", false),
        ("OTEL_TRACES_SAMPLER", false),
        ("OTEL_PROPAGATORS", false),
        ("OTEL_BSP_MAX_QUEUE_SIZE", false),
        ("OTEL_BSP_SCHEDULE_DELAY", false),
        ("OTEL_RESOURCE_ATTRIBUTES", false),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", false),
        ("OTEL_CONFIG_FILE", false),
    ] {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
        let (settings, problems) = read(&[endpoint, (name, SECRET)]);
        let [problem] = &problems[..] else {
            panic!("{name}: {problems:?}");
        };
        assert_eq!(problem.stops, stops, "{name}");
        assert_eq!(settings.is_none(), stops, "{name}");
        assert!(problem.what.contains(name), "{problem:?}");
        assert!(!format!("{problem:?}").contains(SECRET), "{problem:?}");
    }
}

#[test]
fn odd_numbers_are_replaced_by_the_defaults() {
    for (name, value) in [
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "-1"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "0"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "99999999999999999999"),
    ] {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
        let (settings, problems) = read(&[endpoint, (name, value)]);
        let settings = settings.unwrap();
        assert_eq!(problems.len(), 1, "{name}");
        assert_eq!((settings.queue, settings.batch), (2048, 512));
        assert_eq!(settings.timeout, Duration::from_secs(10));
    }
    let (settings, problems) = read(&[
        ("OTEL_TRACES_EXPORTER", "otlp"),
        ("OTEL_TRACES_SAMPLER", "traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "1.5"),
    ]);
    assert_eq!(problems.len(), 1);
    let all = Rule {
        ratio: 1.0,
        follows_client: false,
    };
    assert_eq!(settings.unwrap().sampling, all);
}
