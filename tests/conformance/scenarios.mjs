// The scenarios that must pass, by revision of the protocol.

const EVERYWHERE = [
    'tools-list',
    'tools-call-simple-text',
    'tools-call-image',
    'tools-call-audio',
    'tools-call-embedded-resource',
    'tools-call-mixed-content',
    'tools-call-error',
    'tools-call-with-progress',
    'resources-list',
    'resources-read-text',
    'resources-read-binary',
    'resources-templates-read',
    'prompts-list',
    'prompts-get-simple',
    'prompts-get-with-args',
    'prompts-get-embedded-resource',
    'prompts-get-with-image',
    'completion-complete',
];
const LEGACY = [
    'server-initialize',
    'server-session-lifecycle',
    'ping',
    'logging-set-level',
    'tools-call-with-logging',
    'resources-subscribe',
    'resources-unsubscribe',
    'tools-call-sampling',
    'tools-call-elicitation',
];
const SINCE_2025_11_25 = [
    'server-sse-multiple-streams',
    'dns-rebinding-protection',
    'json-schema-2020-12',
];
const SINCE_2026_07_28 = [
    'http-header-validation',
    'http-custom-header-server-validation',
    'caching',
    'sep-2164-resource-not-found',
    'server-stateless',
    'input-required-result-basic-elicitation',
    'input-required-result-basic-sampling',
    'input-required-result-basic-list-roots',
    'input-required-result-request-state',
    'input-required-result-multiple-input-requests',
    'input-required-result-multi-round',
    'input-required-result-missing-input-response',
    'input-required-result-non-tool-request',
    'input-required-result-result-type',
    'input-required-result-unsupported-methods',
    'input-required-result-tampered-state',
    'input-required-result-capability-check',
    'input-required-result-ignore-extra-params',
    'input-required-result-validate-input',
];

// `tasks-status-notifications` always skips its checks.
const TASKS = [
    'tasks-lifecycle',
    'tasks-capability-negotiation',
    'tasks-wire-fields',
    'tasks-request-state-removal',
    'tasks-mrtr-input',
    'tasks-mrtr-composition',
    'tasks-request-headers',
    'tasks-dispatch-and-envelope',
    'tasks-required-task-error',
];

export const SCENARIOS = {
    '2025-06-18': [...EVERYWHERE, ...LEGACY],
    '2025-11-25': [
        ...EVERYWHERE,
        ...LEGACY,
        'server-sse-polling',
        'elicitation-sep1034-defaults',
        'elicitation-sep1330-enums',
        ...SINCE_2025_11_25,
    ],
    '2026-07-28': [...EVERYWHERE, ...SINCE_2025_11_25, ...SINCE_2026_07_28],
    // The suite runs the scenarios of extensions without a revision.
    extension: TASKS,
};
