// Elements from code. Text always enters as text nodes, never as markup.

// h('a', {href: '#/', class: 'x', onclick: f}, 'text', child, [children])
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'class') element.className = value;
    else if (name in element && name !== 'list') element[name] = value;
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat().filter((c) => c !== null && c !== undefined));
  return element;
}

export function replace(parent, ...children) {
  parent.replaceChildren(...children.flat().filter(Boolean));
}

// Draws an element's children anew when what they are made of has changed.
export function redraw(element, of, make) {
  const key = JSON.stringify(of);
  if (element.made === key) return;
  element.made = key;
  replace(element, make());
}

// A text that stays costs the browser no layout.
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// A label and the element that it names.
export function labelled(text, element) {
  return h('label', { class: 'field' }, text, ' ', element);
}

// choices: [[value, text]]
export function select(choices, value, onchange) {
  const element = h('select', { onchange: () => onchange(element.value) },
    choices.map(([v, text]) => h('option', { value: v }, text)));
  element.value = value;
  return element;
}

// Wide content that scrolls by itself, by keyboard too.
export function scroller(label, ...children) {
  return h('div', { class: 'scroll', role: 'region', 'aria-label': label, tabIndex: 0 },
    ...children);
}

// table: {heads: [text], rows: [[cell]]}; a cell is text or an element.
export function table({ heads, rows }, className = 'numbers') {
  return h('table', { class: className },
    h('thead', {}, h('tr', {}, heads.map((text) => h('th', { scope: 'col' }, text)))),
    h('tbody', {}, rows.map((row) => h('tr', {}, row.map((cell) => h('td', {}, cell))))));
}

// Asks before something that cannot be undone. Resolves to true or false.
export function confirm(question, action) {
  return new Promise((resolve) => {
    const dialog = h('dialog', { 'aria-label': question, onclose: () => {
      dialog.remove();
      resolve(dialog.returnValue === 'yes');
    } }, h('p', {}, question), h('div', { class: 'row' },
      h('button', { type: 'button', onclick: () => dialog.close('no') }, 'No, leave it'),
      h('button', { type: 'button', class: 'danger', onclick: () => dialog.close('yes') }, action)));
    document.body.append(dialog);
    dialog.showModal();
  });
}
