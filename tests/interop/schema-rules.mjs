// The rules of `docs/schemas.md` for the tools of a list.

const TOOL_NAME = /^[a-zA-Z0-9_-]{1,64}$/;
const PROPERTY_NAME = /^[a-zA-Z0-9_.-]{1,64}$/;

// The keywords of JSON Schema 2020-12 that hold one schema, a list of schemas, and schemas by name.
export const ONE = [
    'additionalProperties', 'contains', 'contentSchema', 'else', 'if', 'items', 'not', 'propertyNames', 'then',
    'unevaluatedItems', 'unevaluatedProperties',
];
export const LIST = ['allOf', 'anyOf', 'oneOf', 'prefixItems'];
export const NAMED = ['$defs', 'dependentSchemas', 'patternProperties', 'properties'];

/** The violations of the rules: a line for each, with the place. */
export function violations(tool) {
    const found = [];
    if (!TOOL_NAME.test(tool.name)) found.push('name: is not a name that every client takes');
    for (const place of ['inputSchema', 'outputSchema']) {
        const schema = tool[place];
        if (schema === undefined) continue;
        const isInput = place === 'inputSchema';
        if (schema.type !== 'object') found.push(`${place}: the type is not \`object\``);
        for (const keyword of ['allOf', 'anyOf', 'oneOf']) {
            if (isInput && keyword in schema) found.push(`${place}: has \`${keyword}\` at the root`);
        }
        for (const [at, part] of parts(schema, place)) {
            const rules = typeof part === 'boolean' ? ['is a boolean'] : brokenBy(part, isInput);
            for (const rule of rules) found.push(`${at}: ${rule}`);
        }
    }
    return found;
}

/** This schema and every schema in it, with its place. `additionalProperties: false` does not count as a schema. */
function* parts(schema, at) {
    yield [at, schema];
    if (typeof schema !== 'object') return;
    for (const keyword of ONE) {
        const part = schema[keyword];
        if (part === undefined || (keyword === 'additionalProperties' && part === false)) continue;
        yield* parts(part, `${at}.${keyword}`);
    }
    for (const keyword of [...LIST, ...NAMED]) {
        for (const [name, part] of Object.entries(schema[keyword] ?? {})) yield* parts(part, `${at}.${keyword}.${name}`);
    }
}

function* brokenBy(schema, isInput) {
    if (Array.isArray(schema.type)) yield 'has a list of types';
    const types = [schema.type].flat();
    if ('format' in schema && types.some((type) => type === 'integer' || type === 'number')) {
        yield 'has a `format` of a number';
    }
    for (const keyword of ['minimum', 'maximum']) {
        if (Math.abs(schema[keyword] ?? 0) > Number.MAX_SAFE_INTEGER) yield `has a \`${keyword}\` beyond 2^53`;
    }
    for (const keyword of ['const', 'oneOf']) {
        if (keyword in schema) yield `has \`${keyword}\``;
    }
    if (types.includes('array') && !('items' in schema)) yield 'is an array without `items`';
    for (const name of Object.keys(schema.properties ?? {})) {
        if (!PROPERTY_NAME.test(name)) yield `has a property \`${name}\``;
    }
    if (!isInput) return;
    if ('$ref' in schema) yield 'has `$ref`';
    if ('uniqueItems' in schema) yield 'has `uniqueItems`';
    for (const [name, property] of Object.entries(schema.properties ?? {})) {
        if (!schema.required?.includes(name) && namesNull(property)) yield `\`${name}\` can be left out and be \`null\``;
    }
}

function namesNull(schema) {
    const alternatives = [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])];
    return [schema.type].flat().includes('null')
        || schema.const === null
        || Boolean(schema.enum?.includes(null))
        || alternatives.some(namesNull);
}
