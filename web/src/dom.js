// Elements from code. Text always enters as text nodes, never as markup.

// h('a', {href: '#/', class: 'x', onclick: f}, 'text', child, [children])
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'class') element.className = value;
    else if (name in element) element[name] = value;
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat().filter((c) => c !== null && c !== undefined));
  return element;
}


export function replace(parent, ...children) {
  parent.replaceChildren(...children.flat().filter(Boolean));
}
