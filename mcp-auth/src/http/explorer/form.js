// Makes a form for a JSON schema. A field has a `node`, `read` returns its value (`undefined` if it is left out), `write`
// shows a value, and `check` marks wrong values and returns their number. A wrong value is sent all the same, so that a
// person sees the error of the server.

/** Makes the field of a member. `root` is the document of references, and `suggest` finds completions of a text. */
function field(name, schema, { root, required = false, depth = 0, suggest }) {
    const flat = plain(schema, root);
    const context = { root, required, depth, suggest };
    const kind = kindOf(flat, depth);
    const made = FIELDS[kind](name, flat, context);
    if (flat.default !== undefined) made.write(flat.default);
    return made;
}

const FIELDS = {
    boolean: (name, schema, context) => (context.required ? checkField(name, schema) : choiceField(name, schema, context, TRUTH)),
    choice: (name, schema, context) => choiceField(name, schema, context, choices(schema)),
    integer: numberField,
    json: jsonField,
    list: (name, schema, context) => {
        const options = choices(plain(schema.items, context.root));
        return options ? manyField(name, schema, context, options) : listField(name, schema, context);
    },
    number: numberField,
    object: objectField,
    string: textField,
};
const TRUTH = [[true, 'true'], [false, 'false']];

/** Makes a field with one control. `complain` returns why a value looks wrong. */
function leaf(name, schema, required, control, read, write, complain = complaintOf) {
    const id = newId();
    control.id = id;
    const warning = el('p', { id: `${id}-warning`, class: 'warning' });
    const hint = el('p', { id: `${id}-hint`, class: 'hint' }, about(schema));
    control.setAttribute('aria-describedby', `${id}-hint ${id}-warning`);
    const check = () => {
        const text = complain(schema, read(), required);
        warning.textContent = text;
        if (text) control.setAttribute('aria-invalid', 'true');
        else control.removeAttribute('aria-invalid');
        return text ? 1 : 0;
    };
    // A new warning would move the button away that a person is about to press, so typing only removes warnings.
    control.addEventListener('input', () => warning.textContent && check());
    const label = el('label', { for: id }, titleOf(name, schema, required));
    const isCheck = control.type === 'checkbox';
    const pair = isCheck ? [control, label] : [label, control];
    const node = el('div', { class: isCheck ? 'field check' : 'field' }, pair, hint, warning);
    return { node, read, write, check };
}

function titleOf(name, schema, required) {
    const title = schema.title && schema.title !== name ? [schema.title, ' ', el('code', {}, name)] : el('code', {}, name);
    return [title, required && el('span', { class: 'quiet' }, ' required')];
}

/** Returns the description of a schema and the allowed values. */
function about(schema) {
    const hint = hintOf(schema);
    return [schema.description, hint && sentence(hint)].filter(Boolean).join(' ');
}

function textField(name, schema, { required, suggest }) {
    const isLong = schema.maxLength > 300;
    const modes = { email: 'email', uri: 'url' };
    const control = el(isLong ? 'textarea' : 'input', {
        type: isLong ? null : schema.format === 'date' ? 'date' : 'text',
        rows: isLong ? 4 : null,
        inputmode: modes[schema.format],
        autocomplete: 'off',
        spellcheck: 'false',
    });
    const read = () => (control.value === '' && !required ? undefined : control.value);
    const made = leaf(name, schema, required, control, read, (value) => { control.value = value ?? ''; });
    if (suggest) made.node.append(suggestions(control, name, suggest));
    return made;
}

/** Shows the values that the server suggests for the text in the control. */
function suggestions(control, name, suggest) {
    const list = el('datalist', { id: newId() });
    let stop;
    const update = async () => {
        stop?.abort();
        stop = new AbortController();
        const { signal } = stop;
        const values = await suggest(name, control.value, signal);
        if (!signal.aborted) list.replaceChildren(...values.map((value) => el('option', { value })));
    };
    control.setAttribute('list', list.id);
    control.addEventListener('focus', update);
    control.addEventListener('input', update);
    return list;
}

function numberField(name, schema, { required }) {
    const inputmode = schema.type === 'integer' && !(schema.minimum < 0) ? 'numeric' : 'text';
    const control = el('input', { type: 'text', inputmode, autocomplete: 'off' });
    const read = () => {
        const text = control.value.trim();
        if (text === '') return undefined;
        return /^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(text) ? Number(text) : text;
    };
    return leaf(name, schema, required, control, read, (value) => { control.value = value ?? ''; });
}

function checkField(name, schema) {
    const control = el('input', { type: 'checkbox' });
    return leaf(name, schema, true, control, () => control.checked, (value) => { control.checked = value === true; });
}

function choiceField(name, schema, { required }, options) {
    const first = [undefined, required ? 'Choose' : 'Left out'];
    const control = menu([first, ...options]);
    return leaf(name, schema, required, control, control.chosen, control.choose);
}

function manyField(name, schema, { required }, options) {
    const boxes = options.map(([value, text]) => {
        const box = el('input', { type: 'checkbox' });
        return { value, box, node: el('label', { class: 'check' }, box, ' ', text) };
    });
    const read = () => {
        const chosen = boxes.filter(({ box }) => box.checked).map(({ value }) => value);
        return chosen.length === 0 && !required ? undefined : chosen;
    };
    const write = (values = []) => boxes.forEach(({ value, box }) => {
        box.checked = [values].flat().some((each) => same(each, value));
    });
    return group(name, schema, required, boxes.map(({ node }) => node), read, write);
}

function listField(name, schema, context) {
    const items = [];
    const rows = el('div', {});
    const add = (value) => {
        const inner = { ...context, required: true, depth: context.depth + 1, suggest: null };
        const item = field(`${name} ${items.length + 1}`, schema.items, inner);
        if (value !== undefined) item.write(value);
        item.row = el('div', { class: 'row' }, item.node, button('Remove', () => {
            items.splice(items.indexOf(item), 1);
            adder.focus();
            item.row.remove();
        }, { 'aria-label': `Remove ${name} ${items.length + 1}` }));
        items.push(item);
        rows.append(item.row);
        return item;
    };
    const adder = button(`Add to ${name}`, () => add().node.querySelector('input, select, textarea, button')?.focus());
    const read = () => (items.length === 0 && !context.required ? undefined : items.map((item) => item.read() ?? null));
    const write = (values) => {
        items.length = 0;
        rows.replaceChildren();
        if (Array.isArray(values)) values.forEach(add);
    };
    return group(name, schema, context.required, [rows, adder], read, write, () => items);
}

/** Makes a field with several controls in a fieldset. */
function group(name, schema, required, content, read, write, inner = () => []) {
    const warning = el('p', { class: 'warning' });
    const checkOwn = () => {
        const text = complaintOf(schema, read(), required);
        warning.textContent = text;
        return text ? 1 : 0;
    };
    const check = () => inner().reduce((sum, each) => sum + each.check(), checkOwn());
    const hint = about(schema);
    const legend = el('legend', {}, titleOf(name, schema, required));
    const again = { input: () => warning.textContent && checkOwn() };
    const node = el('fieldset', again, legend, hint && el('p', { class: 'hint' }, hint), content, warning);
    return { node, read, write, check };
}

/** Makes the field of an object. If the object can be left out, a box says whether the object is sent. */
function objectField(name, schema, context) {
    const place = el('div', {});
    let inner;
    const show = (isSent) => {
        box.checked = isSent;
        place.hidden = !isSent;
        // The fields are made when they are first shown, because a schema can contain itself.
        if (isSent && !inner) place.append((inner = members(schema, { ...context, depth: context.depth + 1 })).node);
    };
    const box = el('input', { type: 'checkbox', change: () => show(box.checked) });
    show(context.required);
    const read = () => (box.checked ? inner.read() : undefined);
    const write = (value) => {
        show(context.required || value !== undefined);
        inner?.write(value);
    };
    const sent = !context.required && el('label', { class: 'check' }, box, ` Send ${name}`);
    return group(name, schema, context.required, [sent, place], read, write, () => (box.checked ? [inner] : []));
}

/** Makes the fields of all members of an object. */
function members(schema, { root, depth = 0, suggest }) {
    const required = new Set(schema.required);
    const fields = Object.entries(schema.properties ?? {}).map(([name, member]) =>
        [name, field(name, member, { root, required: required.has(name), depth, suggest })]);
    const read = () => {
        const values = fields.map(([name, made]) => [name, made.read()]);
        return Object.fromEntries(values.filter(([, value]) => value !== undefined));
    };
    const write = (value) => fields.forEach(([name, made]) => made.write(value?.[name]));
    const check = () => fields.reduce((sum, [, made]) => sum + made.check(), 0);
    return { node: el('div', { class: 'members' }, fields.map(([, made]) => made.node)), read, write, check };
}

/** Makes a field in which a person writes JSON. A text that is not JSON is sent as a text. */
function jsonField(name, schema, { required }) {
    const control = el('textarea', { rows: 4, spellcheck: 'false', class: 'code' });
    const read = () => (control.value.trim() === '' ? undefined : parsed(control.value).value);
    const complain = (_, value) => {
        if (value === undefined) return required ? MISSING : '';
        return parsed(control.value).error ? NOT_JSON : '';
    };
    const write = (value) => { control.value = value === undefined ? '' : pretty(value); };
    const described = { ...schema, description: schema.description ?? 'A value as JSON.' };
    return leaf(name, described, required, control, read, write, complain);
}

function parsed(text) {
    try {
        return { value: JSON.parse(text) };
    } catch (error) {
        return { value: text, error };
    }
}

const NOT_JSON = 'This is not valid JSON, so it is sent as a text.';

/** Makes a form for all arguments, which a person can also edit as JSON. */
function argumentsForm(schema, suggest) {
    const root = schema ?? {};
    const flat = plain(root, root);
    const inner = members(flat, { root, suggest });
    const json = jsonField('arguments', { description: 'All arguments as JSON.' }, { required: false });
    const warning = el('p', { class: 'warning' });
    const box = el('input', { type: 'checkbox' });
    const show = () => {
        json.node.hidden = !box.checked;
        inner.node.hidden = box.checked;
    };
    box.addEventListener('change', () => {
        warning.textContent = '';
        if (box.checked) json.write(inner.read());
        else {
            const value = json.read() ?? {};
            inner.write(value);
            box.checked = !same(inner.read(), value);
            if (box.checked) warning.textContent = 'The form cannot show this JSON, so it stays as JSON.';
        }
        show();
    });
    const isEmpty = Object.keys(flat.properties ?? {}).length === 0;
    // A form has no fields for alternatives.
    box.checked = isEmpty && Boolean(flat.anyOf ?? flat.oneOf ?? flat.allOf);
    show();
    const none = isEmpty && !box.checked && el('p', { class: 'quiet' }, 'This takes no arguments.');
    return {
        node: el('div', {}, none, inner.node, json.node, el('label', { class: 'check' }, box, ' Edit as JSON'), warning),
        read: () => (box.checked ? json.read() ?? {} : inner.read()),
        check: () => (box.checked ? json.check() : inner.check()),
    };
}
