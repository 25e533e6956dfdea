// The scenarios that must pass, by revision of the protocol.

const EVERYWHERE = [
    'tools-list',
    'tools-call-simple-text',
    'tools-call-image',
    'tools-call-audio',
    'tools-call-embedded-resource',
    'tools-call-mixed-content',
    'tools-call-error',
];
const LEGACY = ['server-initialize', 'ping'];
const SINCE_2025_11_25 = [
    'server-sse-multiple-streams',
    'dns-rebinding-protection',
    'json-schema-2020-12',
];

export const SCENARIOS = {
    '2025-06-18': [...EVERYWHERE, ...LEGACY],
    '2025-11-25': [...EVERYWHERE, ...LEGACY, ...SINCE_2025_11_25],
    '2026-07-28': [...EVERYWHERE, ...SINCE_2025_11_25, 'http-header-validation'],
};
