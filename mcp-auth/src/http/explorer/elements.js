// Makes the elements of the explorer. All texts become text nodes, so the browser reads no text of a server as HTML.

/** Makes an element. A function is a listener, `true` is an attribute without a value, `null` and `false` leave it out. */
function el(name, attributes = {}, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
        if (typeof value === 'function') element.addEventListener(key, value);
        else if (value === true) element.setAttribute(key, '');
        else if (value !== null && value !== undefined && value !== false) element.setAttribute(key, value);
    }
    element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
    return element;
}

/** Returns an id that no other element has. */
function newId() {
    newId.last = (newId.last ?? 0) + 1;
    return `x${newId.last}`;
}

function pretty(value) {
    return JSON.stringify(value, null, 2) ?? '';
}

/** Shows a text with its line breaks. A very long text would make the page slow, so the end is left out. */
function block(text) {
    const shown = text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}\n… and ${text.length - MAX_TEXT} more characters` : text;
    const isLong = shown.length > LONG_TEXT;
    // A person without a mouse scrolls a long text with the arrow keys.
    const attributes = isLong ? { class: 'long', tabindex: '0', role: 'group', 'aria-label': 'Long text' } : {};
    return el('pre', attributes, el('code', {}, shown));
}

/** Returns a text with a capital letter and a full stop. */
function sentence(text) {
    const whole = text.charAt(0).toUpperCase() + text.slice(1);
    return /[.!?]$/.test(whole) ? whole : `${whole}.`;
}

function fold(title, ...content) {
    return el('details', {}, el('summary', {}, title), ...content);
}

function button(text, press, attributes = {}) {
    return el('button', { type: 'button', click: press, ...attributes }, text);
}

/** Makes a menu. Each option is a value of any type and a text. `menu.chosen()` returns the value. */
function menu(options, attributes = {}) {
    const element = el('select', attributes, options.map(([, text], index) => el('option', { value: index }, text)));
    element.chosen = () => options[element.selectedIndex]?.[0];
    element.choose = (value) => {
        const index = options.findIndex(([each]) => same(each, value));
        if (index >= 0) element.selectedIndex = index;
    };
    return element;
}

/** Puts a control under its label. */
function labelled(text, control) {
    control.id ||= newId();
    return el('div', { class: 'field' }, el('label', { for: control.id }, text), control);
}

/** Replaces the content of an element. If the content has the focus, the focus moves to `next`. */
function replace(element, next, ...children) {
    if (element.contains(document.activeElement)) next.focus();
    element.replaceChildren(...children.flat(Infinity).filter(Boolean));
}

/** Returns true if two JSON values are equal. The order of members does not matter. */
function same(one, other) {
    if (one === other) return true;
    if (typeof one !== 'object' || typeof other !== 'object' || !one || !other) return false;
    const names = Object.keys(one);
    return Array.isArray(one) === Array.isArray(other) && names.length === Object.keys(other).length
        && names.every((name) => Object.hasOwn(other, name) && same(one[name], other[name]));
}

const LONG_TEXT = 3000;
const MAX_TEXT = 100_000;
