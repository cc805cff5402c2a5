// Holds answers against the OpenAPI document: the status, the media type and
// the body must be what it says, and it must say nothing that never comes.
import Ajv from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

export function makeChecker(document) {
  const ajv = new Ajv({ strict: false, allErrors: true });
  addFormats(ajv);
  ajv.addSchema(document, 'doc');
  const operations = [];
  for (const [path, methods] of Object.entries(document.paths))
    for (const [method, operation] of Object.entries(methods))
      operations.push({ path, method, operation, seen: new Set(),
        pattern: new RegExp(`^${path.replace(/[.]/g, '\\.').replace(/\{\w+\}/g, '[^/]+')}$`) });
  // Those without a variable first: /jobs/gradients.csv is no {id}.
  operations.sort((a, b) => a.path.split('{').length - b.path.split('{').length);
  const members = new Set();

  const resolve = (object) => object.$ref
    ? object.$ref.slice(2).split('/').reduce((at, key) => at[key], document) : object;

  // Notes which members of which types were there.
  function note(schema, value) {
    if (schema.$ref) {
      const name = schema.$ref.split('/').at(-1);
      schema = resolve(schema);
      if (value && typeof value === 'object')
        for (const key of Object.keys(value)) members.add(`${name}.${key}`);
    }
    if (value === null || typeof value !== 'object') return;
    for (const part of schema.anyOf ?? []) note(part, value);
    if (Array.isArray(value)) value.forEach((v) => schema.items && note(schema.items, v));
    else
      for (const [key, v] of Object.entries(value)) {
        const of = schema.properties?.[key] ?? schema.additionalProperties;
        if (of && typeof of === 'object') note(of, v);
      }
  }

  // Throws unless the answer is as documented. Answers about what is no
  // operation (an unknown address, another method) must be problems.
  function check({ method, path, status, type, body }) {
    const where = `${method} ${path}: ${status}`;
    const bare = path.split('?')[0];
    const name = method === 'HEAD' ? 'get' : method.toLowerCase();
    const found = operations.find((o) => o.method === name && o.pattern.test(bare));
    const media = type?.split(';')[0] ?? '';
    if (!found) {
      if (status >= 400 && media !== 'application/problem+json' && bare.startsWith('/api/'))
        throw new Error(`${where}: no operation, and no problem but ${media}`);
      return;
    }
    const { responses } = found.operation;
    const key = responses[status] ? String(status) : `${Math.floor(status / 100)}XX`;
    if (!responses[key]) throw new Error(`${where}: this status is not documented`);
    found.seen.add(key);
    if (method === 'HEAD') return;
    const { content } = resolve(responses[key]);
    if (!content) {
      if (body) throw new Error(`${where}: a body, but none is documented`);
      return;
    }
    if (!content[media]) throw new Error(`${where}: ${media} is not documented`);
    if (!media.endsWith('json')) return;
    const { schema } = content[media];
    const validate = ajv.compile(absolute(schema));
    const value = JSON.parse(body);
    if (!validate(value))
      throw new Error(`${where}: ${ajv.errorsText(validate.errors, { separator: '\n  ' })}`);
    note(schema, value);
  }

  // References within the document, from outside it.
  function absolute(schema) {
    return JSON.parse(JSON.stringify(schema).replaceAll('"#/components', '"doc#/components'));
  }

  return { operations, members, check };
}
