// Reads JSON schemas and URI templates. Everything here helps a person to fill in a form; the server alone decides
// whether a value is valid.

/** Returns the schema without references, without `null` as an alternative, and without a wrapper of one alternative. */
function plain(schema, root, depth = 0) {
    if (typeof schema !== 'object' || schema === null || depth > MAX_REFERENCES) return {};
    const { $ref, anyOf, oneOf, allOf, ...outer } = schema;
    const notNull = (each) => each?.type !== 'null';
    const alternatives = (anyOf ?? oneOf ?? []).filter(notNull);
    let inner;
    if (typeof $ref === 'string') inner = pointed(root, $ref);
    else if (alternatives.length === 1) [inner] = alternatives;
    else if (allOf?.length === 1) [inner] = allOf;
    if (inner !== undefined) return { ...plain(inner, root, depth + 1), ...outer };
    const types = [schema.type].flat().filter((type) => type !== 'null');
    return { ...schema, type: types.length === 1 ? types[0] : undefined };
}

/** Resolves a reference inside the document, which is a JSON pointer (RFC 6901). No other reference is followed. */
function pointed(root, reference) {
    if (!reference.startsWith('#')) return {};
    const parts = reference.slice(1).split('/').slice(1);
    return parts.reduce((at, part) => at?.[decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~')], root);
}

/** Returns the values between which the schema lets a person choose, with their titles. `null` if it is no choice. */
function choices(schema) {
    const text = (value) => (typeof value === 'string' ? value : JSON.stringify(value));
    if ('const' in schema) return [[schema.const, schema.title ?? text(schema.const)]];
    if (Array.isArray(schema.enum)) return schema.enum.map((value, index) => [value, schema.enumNames?.[index] ?? text(value)]);
    const alternatives = (schema.oneOf ?? schema.anyOf)?.map((each) => each && choices(each));
    return alternatives?.every(Boolean) ? alternatives.flat() : null;
}

/** Returns the kind of the field that can show the schema. The kind `json` can show any value. */
function kindOf(schema, depth) {
    if (choices(schema)) return 'choice';
    if (depth > MAX_DEPTH) return 'json';
    if (schema.type === 'object' && schema.properties) return 'object';
    if (schema.type === 'array' && schema.items && !schema.prefixItems) return 'list';
    return ['string', 'boolean', 'number', 'integer'].includes(schema.type) ? schema.type : 'json';
}

/** Returns a description of the allowed values, such as `1 to 100` or `at most 200 characters`. */
function hintOf(schema) {
    const range = (from, to, unit) => {
        if (from === undefined && to === undefined) return null;
        if (to === undefined) return `at least ${from}${unit}`;
        return from === undefined ? `at most ${to}${unit}` : `${from} to ${to}${unit}`;
    };
    const hints = [
        range(schema.minimum, schema.maximum, ''),
        schema.exclusiveMinimum !== undefined && `more than ${schema.exclusiveMinimum}`,
        schema.exclusiveMaximum !== undefined && `less than ${schema.exclusiveMaximum}`,
        schema.multipleOf !== undefined && `a multiple of ${schema.multipleOf}`,
        range(schema.minLength, schema.maxLength, ' characters'),
        range(schema.minItems, schema.maxItems, ' entries'),
        schema.pattern !== undefined && `pattern ${schema.pattern}`,
        schema.format,
        schema.default !== undefined && `default ${JSON.stringify(schema.default)}`,
    ];
    return hints.filter(Boolean).join(', ');
}

/** Returns why the server will probably refuse the value. The text is empty if the value looks right. */
function complaintOf(schema, value, required) {
    if (value === undefined) return required ? MISSING : '';
    if (choices(schema)) return '';
    const isNumber = schema.type === 'integer' || schema.type === 'number';
    if (isNumber && typeof value !== 'number') return 'This is not a number.';
    if (schema.type === 'integer' && !Number.isInteger(value)) return 'This is not an integer.';
    if (isNumber && Math.abs(value) > Number.MAX_SAFE_INTEGER) return 'The browser cannot send this number exactly.';
    const size = typeof value === 'string' ? [...value].length : value.length;
    const isWrong = value < schema.minimum || value > schema.maximum
        || value <= schema.exclusiveMinimum || value >= schema.exclusiveMaximum
        || size < (schema.minLength ?? schema.minItems) || size > (schema.maxLength ?? schema.maxItems)
        || (typeof value === 'string' && !matches(schema.pattern, value))
        || (schema.format === 'email' && !/^\S+@\S+$/.test(value));
    return isWrong ? `The server expects: ${hintOf(schema)}.` : '';
}

function matches(pattern, text) {
    try {
        return pattern === undefined || new RegExp(pattern, 'u').test(text);
    } catch {
        // The pattern may use a syntax that the browser does not know.
        return true;
    }
}

/** Returns the headers that repeat arguments (MCP 2026-07-28, streamable-http, `x-mcp-header`). */
function mirrored(schema, value, headers = {}) {
    for (const [name, member] of Object.entries(schema?.properties ?? {})) {
        const given = value?.[name];
        const header = member?.['x-mcp-header'];
        if (given === undefined || given === null) continue;
        if (header) headers[`Mcp-Param-${header}`] = headerValue(String(given));
        else mirrored(member, given, headers);
    }
    return headers;
}

/** Encodes a text that a header cannot contain as it is (MCP 2026-07-28, streamable-http, value encoding). */
function headerValue(text) {
    const isPlain = /^[!-~]([ -~]*[!-~])?$/.test(text) && !/^=\?base64\?.*\?=$/.test(text);
    if (isPlain) return text;
    const bytes = Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte));
    return `=?base64?${btoa(bytes.join(''))}?=`;
}

/** Returns the variables of a URI template as a schema of texts. */
function templateSchema(template) {
    const found = [...template.matchAll(EXPRESSION)];
    const names = found.flatMap(([, operator, list]) => {
        const required = operator !== '?' && operator !== '&';
        return list.split(',').map((name) => [bare(name), required]);
    });
    return {
        type: 'object',
        properties: Object.fromEntries(names.map(([name]) => [name, { type: 'string' }])),
        required: names.filter(([, required]) => required).map(([name]) => name),
    };
}

/** Puts values into a URI template (RFC 6570). */
function expand(template, values) {
    return template.replace(EXPRESSION, (_, operator, list) => {
        const [first, separator, isNamed] = OPERATORS[operator];
        const given = list.split(',').map(bare).filter((name) => values[name] !== undefined);
        const encode = operator === '+' || operator === '#' ? encodeURI : encoded;
        const parts = given.map((name) => (isNamed ? `${name}=${encode(values[name])}` : encode(values[name])));
        return parts.length > 0 ? first + parts.join(separator) : '';
    });
}

function encoded(text) {
    return encodeURIComponent(text).replace(/[!'()*]/g, (each) => `%${each.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** Returns the name of a variable without its modifier. */
function bare(name) {
    return name.replace(/\*$|:\d+$/, '');
}

const MISSING = 'A value is required.';
const EXPRESSION = /\{([+#./;?&]?)([^{}]+)\}/g;
/** For each operator: the first character, the separator, and whether names are written. */
const OPERATORS = {
    '': ['', ',', false],
    '+': ['', ',', false],
    '#': ['#', ',', false],
    '.': ['.', '.', false],
    '/': ['/', '/', false],
    ';': [';', ';', true],
    '?': ['?', '&', true],
    '&': ['&', '&', true],
};
/** A deeper value is edited as JSON. */
const MAX_DEPTH = 4;
const MAX_REFERENCES = 20;
