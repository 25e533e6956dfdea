// Lets a person choose who acts: somebody of the local Clerk, a machine, nobody, or the owner of a pasted token.

const NOBODY = { nobody: true, name: 'nobody', title: 'Nobody' };
const PASTED = { pasted: true, name: 'the owner of the token', title: 'The owner of the token' };
const USER_KINDS = ['oauth', 'session', 'api_key'];

/** Makes the controls of one caller. `onChange` is called after each change; `first` is the index of the chosen person. */
function actingControls(legend, first, onChange) {
    const accepts = (kind) => DATA.kinds.includes(kind);
    const people = USER_KINDS.some(accepts) ? DATA.people : [];
    const machines = accepts('m2m') ? DATA.machines : [];
    const who = menu([
        ...people.map((person) => [person, person.name]),
        ...machines.map((machine) => [{ machine }, `${machine} (machine)`]),
        [PASTED, 'A pasted token'],
        [NOBODY, 'Nobody (no token)'],
    ]);
    const pasted = el('input', { type: 'password', autocomplete: 'off', spellcheck: 'false' });
    const scopes = el('input', { type: 'text', autocomplete: 'off', spellcheck: 'false', placeholder: 'default' });
    const fields = {
        who: labelled('Person', who),
        kind: el('div', {}),
        org: el('div', {}),
        scopes: labelled('Scopes', scopes),
        pasted: el('div', {}),
    };
    let kind;
    let org;
    const everyOrg = [...new Set(people.flatMap((person) => person.organizations.map(({ name }) => name)))];

    /** Rebuilds the menus that depend on the person. */
    function choosePerson() {
        const person = who.chosen();
        const kinds = (person.machine ? ['m2m'] : USER_KINDS).filter(accepts);
        kind = menu(kinds.map((each) => [each, KINDS[each]]), { change: changeKind });
        const own = (person.organizations ?? []).map(({ name, role }) => [name, `${name} (${role})`]);
        const others = everyOrg.filter((name) => !own.some(([each]) => each === name));
        const all = [...own, [null, 'None'], ...others.map((name) => [name, `${name} (not a member)`])];
        org = menu(all, { change: onChange });
        fields.kind.replaceChildren(labelled('Token', kind));
        fields.org.replaceChildren(labelled('Organization', org));
        const isMinted = !person.nobody && !person.pasted;
        fields.kind.hidden = fields.scopes.hidden = !isMinted;
        fields.org.hidden = !isMinted || !hasOrg(person);
        fields.pasted.replaceChildren(...(person.pasted ? [labelled('Access token', pasted)] : []));
    }

    /** Returns true if the token names an organization, or the URL does. An API key of a person belongs to the person alone. */
    function hasOrg(person) {
        return DATA.org_in_url || (!person.machine && kind.chosen() !== 'api_key');
    }

    function changeKind() {
        fields.org.hidden = !hasOrg(who.chosen());
        onChange();
    }

    function caller() {
        const person = who.chosen();
        if (person.nobody) return { name: NOBODY.name, title: NOBODY.title };
        if (person.pasted) return { name: PASTED.name, title: PASTED.title, pasted: pasted.value.trim() };
        const inOrg = hasOrg(person) ? org.chosen() : null;
        const wish = {
            user: person.user ?? null, machine: person.machine ?? null, kind: kind.chosen(), org: DATA.org_in_url ? null : inOrg,
            scopes: scopes.value.trim() || null,
        };
        const name = person.name ?? person.machine;
        const title = name + (inOrg ? ` in ${inOrg}` : '');
        const isOutside = person.organizations?.length === 0;
        return { name, title, wish, isOutside, orgInUrl: DATA.org_in_url ? inOrg : null };
    }

    who.selectedIndex = Math.min(first, who.options.length - 1);
    who.addEventListener('change', () => {
        choosePerson();
        onChange();
    });
    for (const control of [pasted, scopes]) control.addEventListener('change', onChange);
    choosePerson();
    const seen = el('p', { class: 'hint', role: 'status' });
    const controls = el('div', { class: 'fields' }, Object.values(fields));
    const node = el('fieldset', { class: 'acting' }, el('legend', {}, legend), controls, seen);
    return {
        node, caller,
        tell: (text) => { seen.textContent = text; },
        /** Sets the scopes of the next token. */
        setScopes(names) {
            scopes.value = names;
            onChange();
        },
    };
}

const KINDS = { oauth: 'OAuth access token', session: 'session token', api_key: 'API key', m2m: 'machine token' };
