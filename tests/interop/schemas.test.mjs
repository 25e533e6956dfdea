// The schemas in the list of each example. They keep the rules of `docs/schemas.md`, the TypeScript client compiles
// them without a warning, and the adapters of Google and OpenAI keep every keyword that their formats support.

import assert from 'node:assert/strict';
import { before, describe, mock, test } from 'node:test';

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { AjvJsonSchemaValidator } from '@modelcontextprotocol/client/validators/ajv';

import { ADAPTERS, issuer, mint, start } from './example.mjs';
import { runPython } from './host.mjs';
import { LIST, NAMED, ONE, violations } from './schema-rules.mjs';

const MODERN = '2026-07-28';
/** The number of tools of each example. */
const EXAMPLES = { quickstart: 2, documents: 9, helpdesk: 7, everything: 36 };
/** The tool whose type adds `allOf` by `extend`, because the conformance suite requires it. */
const EXTENDED = 'json_schema_2020_12_tool';
const EXCEPTIONS = { [EXTENDED]: ['inputSchema: has `allOf` at the root'] };

const lists = {};

before(async () => {
    for (const name of Object.keys(EXAMPLES)) lists[name] = await list(name);
});

describe('the rules', () => {
    const text = { type: 'string' };
    const none = { type: 'null' };
    const object = (it, required = []) => ({ type: 'object', properties: { it }, required });
    const check = (inputSchema, outputSchema) => violations({ name: 'it', inputSchema, outputSchema });
    const IT = 'inputSchema.properties.it';
    const NULL = '`it` can be left out and be `null`';

    for (const [schema, ...broken] of [
        [{ type: 'string' }, 'inputSchema: the type is not `object`'],
        [{ properties: {} }, 'inputSchema: the type is not `object`'],
        [{ type: 'object', allOf: [object(text)] }, 'inputSchema: has `allOf` at the root'],
        [{ type: 'object', anyOf: [object(text)] }, 'inputSchema: has `anyOf` at the root'],
        [{ type: 'object', oneOf: [object(text)] }, 'inputSchema: has `oneOf` at the root', 'inputSchema: has `oneOf`'],
        [object({ type: ['string', 'integer'] }), `${IT}: has a list of types`],
        [object(true), `${IT}: is a boolean`],
        [object(false), `${IT}: is a boolean`],
        [{ type: 'object', additionalProperties: true }, 'inputSchema.additionalProperties: is a boolean'],
        [object({ type: 'integer', format: 'uint64' }), `${IT}: has a \`format\` of a number`],
        [object({ type: 'number', format: 'double' }), `${IT}: has a \`format\` of a number`],
        [object({ type: 'integer', maximum: 2 ** 63 }), `${IT}: has a \`maximum\` beyond 2^53`],
        [object({ type: 'integer', minimum: -(2 ** 63) }), `${IT}: has a \`minimum\` beyond 2^53`],
        [object({ const: 1 }), `${IT}: has \`const\``],
        [object({ oneOf: [text] }), `${IT}: has \`oneOf\``],
        [object({ type: 'array' }), `${IT}: is an array without \`items\``],
        [object({ type: 'array', items: text, uniqueItems: true }), `${IT}: has \`uniqueItems\``],
        [object({ $ref: '#' }), `${IT}: has \`$ref\``],
        [{ type: 'object', properties: { größe: text } }, 'inputSchema: has a property `größe`'],
        [{ type: 'object', properties: { '': text } }, 'inputSchema: has a property ``'],
        [object(none), `inputSchema: ${NULL}`],
        [object({ enum: ['a', null] }), `inputSchema: ${NULL}`],
        [object({ anyOf: [text, { anyOf: [text, none] }] }), `inputSchema: ${NULL}`],
        [object({ oneOf: [text, none] }), `inputSchema: ${NULL}`, `${IT}: has \`oneOf\``],
        [object({ type: ['string', 'null'] }), `inputSchema: ${NULL}`, `${IT}: has a list of types`],
        [object({ const: null }), `inputSchema: ${NULL}`, `${IT}: has \`const\``],
        [object(object(none), ['it']), `${IT}: ${NULL}`],
    ]) {
        test(`broken by ${JSON.stringify(schema)}`, () => assert.deepEqual(check(schema), broken));
    }

    for (const schema of [
        object({ anyOf: [text, none] }, ['it']),
        object({ type: 'array', items: { anyOf: [text, none] } }),
        object({ type: 'array', items: {} }),
        object({ type: 'string', format: 'uuid' }),
        { ...object(text), additionalProperties: false },
        { type: 'object', properties: { 'a_1-b.C': text, const: text, oneOf: text, ['a'.repeat(64)]: text } },
    ]) {
        test(`kept by ${JSON.stringify(schema)}`, () => assert.deepEqual(check(schema), []));
    }

    test('hold in every schema within a schema', () => {
        const bad = { const: 1 };
        for (const keyword of ONE) {
            const broken = [`inputSchema.${keyword}: has \`const\``];
            assert.deepEqual(check({ type: 'object', [keyword]: bad }), broken);
        }
        for (const [keyword, parts, name] of [
            ...LIST.map((keyword) => [keyword, [bad], 0]),
            ...NAMED.map((keyword) => [keyword, { it: bad }, 'it']),
        ]) {
            const broken = `inputSchema.${keyword}.${name}: has \`const\``;
            assert.ok(check({ type: 'object', [keyword]: parts }).includes(broken), keyword);
        }
    });

    test('are fewer for a result, which may have references, sets and `null`', () => {
        const output = (schema) => check({ type: 'object' }, schema);
        assert.deepEqual(output(object({ anyOf: [{ $ref: '#' }, none] })), []);
        assert.deepEqual(output(object({ type: 'array', items: text, uniqueItems: true })), []);
        assert.deepEqual(output(object({ const: 1 })), ['outputSchema.properties.it: has `const`']);
        assert.deepEqual(output(text), ['outputSchema: the type is not `object`']);
    });

    test('allow a tool 1 to 64 ASCII letters, digits, `_` and `-` as its name', () => {
        const named = (name) => violations({ name, inputSchema: { type: 'object' } }).length;
        for (const name of ['a', 'A-1_b', 'a'.repeat(64)]) assert.equal(named(name), 0, name);
        for (const name of ['', 'a.b', 'a b', 'größe', 'a'.repeat(65)]) assert.equal(named(name), 1, name);
    });

    for (const [name, count] of Object.entries(EXAMPLES)) {
        test(`are kept by every tool of ${name}`, () => {
            assert.equal(lists[name].length, count);
            for (const tool of lists[name]) {
                assert.deepEqual(violations(tool), EXCEPTIONS[tool.name] ?? [], tool.name);
                assert.ok(tool.inputSchema.properties, `${tool.name}: an object schema without properties`);
            }
        });
    }
});

describe('the TypeScript client', () => {
    for (const name of Object.keys(EXAMPLES)) {
        test(`lists ${name} and compiles every schema without a warning`, async () => {
            const said = await heard(async () => {
                for (const { inputSchema, outputSchema } of await list(name)) {
                    for (const schema of [inputSchema, outputSchema]) if (schema) compile(schema);
                }
            });
            assert.deepEqual(said, []);
        });
    }

    test('warns of a format that it does not know', async () => {
        const said = await heard(() => compile({ type: 'integer', format: 'uint64' }));
        assert.match(said.join(), /unknown format "uint64"/);
    });
});

describe('the adapter', () => {
    // These lists have the form of the setting `without_additional_properties`.
    let open;
    let seen;
    let seenOpen;

    before(async () => {
        open = mapMembers(lists, withoutClosed);
        [seen, seenOpen] = await Promise.all([lists, open].map(convert));
    });

    test('of Google gets the lists of the setting', async () => {
        assert.deepEqual(await list('everything', { WITHOUT_ADDITIONAL_PROPERTIES: '1' }), open.everything);
    });

    for (const name of Object.keys(EXAMPLES)) {
        // Since version 1.74.0 the adapter expects that every value of the keyword is an object.
        test(`of Google refuses every tool of ${name} for \`additionalProperties: false\``, () => {
            const error = 'AttributeError: \'bool\' object has no attribute \'items\'';
            assert.deepEqual(seen[name].google, lists[name].map((tool) => ({ name: tool.name, error })));
        });

        test(`of Google converts every tool of ${name} without \`additionalProperties: false\``, () => {
            assert.deepEqual(seenOpen[name].google, open[name].map(({ name, description, inputSchema }) => {
                return { name, description, parameters: google(inputSchema) };
            }));
        });

        test(`of OpenAI changes no schema of ${name}`, () => {
            for (const [converted, tools] of [[seen, lists], [seenOpen, open]]) {
                assert.deepEqual(converted[name].openai, tools[name].map((tool) => openai(tool)));
            }
        });

        test(`of OpenAI makes the schemas of ${name} strict, but for alternatives at the root`, () => {
            assert.deepEqual(seen[name].openai_strict, lists[name].map((tool) => {
                return tool.name === EXTENDED ? openai(tool, ALTERNATIVES) : strict(tool);
            }));
        });

        test(`of OpenAI makes no open schema without properties strict, of ${name}`, () => {
            assert.deepEqual(seenOpen[name].openai_strict, open[name].map((tool) => {
                if (tool.name === EXTENDED) return openai(tool, ALTERNATIVES);
                return Object.keys(tool.inputSchema.properties).length > 0 ? strict(tool) : openai(tool, OPEN);
            }));
        });
    }
});

/** The tools of an example in the client's list, for a caller who may call all of them. */
async function list(name, variables) {
    const { endpoint, stop } = await start(name, variables);
    try {
        const token = await mint(await issuer(endpoint), { user: 'ada', org: 'acme' });
        const client = new Client({ name: 'interop', version: '1.0.0' }, { versionNegotiation: { mode: { pin: MODERN } } });
        const authProvider = { token: async () => token };
        await client.connect(new StreamableHTTPClientTransport(new URL(endpoint), { authProvider }));
        const { tools } = await client.listTools();
        await client.close();
        return tools;
    } finally {
        await stop();
    }
}

/** Compiles a schema in the way in which the client does it before it checks a result. */
function compile(schema) {
    new AjvJsonSchemaValidator().getValidator(schema);
}

/** The messages that this function writes to the console. */
async function heard(act) {
    const said = [];
    const methods = ['debug', 'error', 'info', 'log', 'warn'];
    const mocks = methods.map((method) => mock.method(console, method, (...words) => said.push(words.join(' '))));
    try {
        await act();
    } finally {
        for (const method of mocks) method.mock.restore();
    }
    return said;
}

function convert(lists) {
    return runPython(ADAPTERS, 'adapters.py', [], JSON.stringify(lists));
}

/** This value without `additionalProperties: false`, at any depth. */
function withoutClosed(value) {
    if (typeof value !== 'object' || value === null) return value;
    if (Array.isArray(value)) return value.map(withoutClosed);
    const kept = Object.entries(value).filter(([key, member]) => key !== 'additionalProperties' || member !== false);
    return mapMembers(Object.fromEntries(kept), withoutClosed);
}

/** The keywords that Google's adapter drops, in a schema without `additionalProperties: false`. */
const UNKNOWN_TO_GOOGLE = ['$defs', '$schema', 'allOf', 'else', 'if', 'maxLength', 'minLength', 'then', 'x-mcp-header'];

/** A schema in Google's format. */
function google(schema) {
    const known = Object.entries(schema).filter(([keyword]) => !UNKNOWN_TO_GOOGLE.includes(keyword));
    return Object.fromEntries(known.map(([keyword, value]) => {
        if (keyword === 'type') return [keyword, value.toUpperCase()];
        if (keyword === 'properties') return [keyword, mapMembers(value, google)];
        return [keyword, value];
    }));
}

/** The reason why OpenAI's adapter does not make a schema strict. */
const ALTERNATIVES = 'The root of a strict JSON schema must not use `anyOf`.';
const OPEN = 'JSON schema contains an object that permits undeclared properties and cannot be converted to a strict '
    + 'schema without changing its accepted values.';

/** A tool in OpenAI's format, which has a member for the properties even if there are none. */
function openai({ name, description, inputSchema }, reason) {
    const log = reason ? [`Error converting MCP schema to strict mode: ${reason}`] : [];
    return { name, description, parameters: { properties: {}, ...inputSchema }, strict: false, log };
}

function strict(tool) {
    const loose = openai(tool);
    return { ...loose, parameters: strictSchema(loose.parameters), strict: true };
}

/** A strict schema: every property is required, optional ones too, and no other property is allowed. */
function strictSchema(schema) {
    if (schema.type !== 'object') return schema;
    const properties = mapMembers(schema.properties, strictSchema);
    return { ...schema, properties, required: Object.keys(properties), additionalProperties: false };
}

function mapMembers(object, change) {
    return Object.fromEntries(Object.entries(object).map(([name, member]) => [name, change(member)]));
}
