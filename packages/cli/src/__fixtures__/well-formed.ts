/** Elements of a page, in order: name and attributes. */
export interface Element {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/**
 * The elements of a page that is also well-formed XML but for its doctype: every element closed, in order, attributes quoted and named once, no
 * stray `<` or `&`. @throws Error where it is not.
 */
export function elementsOf(page: string): Element[] {
  const elements: Element[] = [];
  const open: string[] = [];
  const text = page.replace(/^<!DOCTYPE html>\s*/, '');
  let end = 0;
  const checkText = (piece: string): void => {
    const stray = /[<>]|&(?!(?:amp|lt|gt|quot);)/.exec(piece);
    if (stray !== null) throw new Error(`stray ${stray[0]} in: ${piece.slice(Math.max(0, stray.index - 20), stray.index + 40)}`);
  };
  for (const match of text.matchAll(/<(\/?)([a-z][a-z0-9]*)((?:\s+[a-zA-Z:-]+="[^"<]*")*)\s*(\/?)>/g)) {
    const [whole, closing, name = '', attributeText = '', selfClosing] = match;
    checkText(text.slice(end, match.index));
    end = match.index + whole.length;
    if (closing === '/') {
      const last = open.pop();
      if (last !== name) throw new Error(`</${name}> closes <${last}>`);
      continue;
    }
    const pairs = Array.from(attributeText.matchAll(/([a-zA-Z:-]+)="([^"]*)"/g), ([, key = '', value = '']) => [key, value] as const);
    for (const [, value] of pairs) checkText(value);
    if (new Set(pairs.map(([key]) => key)).size < pairs.length) throw new Error(`<${name}> names an attribute twice`);
    elements.push({ name, attributes: Object.fromEntries(pairs) });
    if (selfClosing === '') open.push(name);
  }
  checkText(text.slice(end));
  if (open.length > 0) throw new Error(`<${open.at(-1)}> is not closed`);
  return elements;
}
