import { refuseUnsupported } from './refusal.js';

/**
 * The YAML of training scripts' settings: maps and lists by indentation, lists in brackets, plain and quoted scalars,
 * comments. Tags, anchors and block texts are refused, not guessed at: a tag is how YAML names code to run.
 */

interface Line {
  readonly number: number;
  readonly indent: number;
  readonly text: string;
}

function scalar(text: string): unknown {
  const quoted = /^'((?:[^']|'')*)'$|^"([^"\\]*)"$/.exec(text);
  if (quoted !== null) return (quoted[1]?.replaceAll("''", "'") ?? quoted[2]) as string;
  if (text === '' || text === '~' || text === 'null') return null;
  if (text === 'true' || text === 'false') return text === 'true';
  return /^[-+]?(\d+(\.\d*)?|\.\d+)(e[-+]?\d+)?$/i.test(text) ? Number(text) : text;
}

/** Without the comment, which begins at a `#` after a space and outside quotes. */
function withoutComment(line: string): string {
  return /^((?:[^'"#]|'[^']*'|"[^"]*"|(?<=\S)#)*)/.exec(line)?.[1] ?? line;
}

/** @throws TesseraeError `model-incompatible` naming the line that is not read. */
export function parseYaml(source: string, file: string): unknown {
  const lines = source.split(/\r?\n/).flatMap((raw, index): Line[] => {
    const text = withoutComment(raw).trimEnd();
    return text.trim() === '' || text === '---' ? [] : [{ number: index + 1, indent: text.length - text.trimStart().length, text: text.trim() }];
  });
  let at = 0;
  const refuse = ({ number, text }: Line): never => refuseUnsupported(file, `line ${number} is YAML that is not read here: ${JSON.stringify(text.slice(0, 60))}`);

  const inline = (text: string, line: Line): unknown => {
    if (/^[&*!|>%@`{]/.test(text)) return text === '{}' ? {} : refuse(line);
    if (!text.startsWith('[')) return scalar(text);
    const inner = /^\[([^[\]{}]*)\]$/.exec(text)?.[1] ?? refuse(line);
    return inner.trim() === '' ? [] : inner.split(',').map((item) => scalar(item.trim()));
  };
  /** What follows a key or a dash: on its line, or below it. */
  const value = (text: string, line: Line, belongs: (next: Line) => boolean): unknown => {
    if (text !== '') return inline(text, line);
    const next = lines[at];
    return next !== undefined && belongs(next) ? block(next.indent) : null;
  };
  function block(indent: number): unknown {
    const list: unknown[] = [];
    const table: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
    let isList: boolean | undefined;
    for (let line = lines[at]; line !== undefined && line.indent === indent; line = lines[at]) {
      const item = /^-(?:\s+(.*))?$/.exec(line.text);
      const entry = /^([^\s:'"[\]{}&*!|>%@`,][^:]*?):(?:\s+(.*))?$/.exec(line.text);
      // A list may stand as deep as the key it belongs to; there it ends the table of that depth.
      if (isList !== undefined && isList !== (item !== null)) break;
      isList = item !== null;
      at += 1;
      if (item !== null) {
        if (/^[\w.]+:(\s|$)/.test(item[1] ?? '')) refuse(line);
        list.push(value(item[1] ?? '', line, (next) => next.indent > indent));
      } else if (entry !== null) {
        table[entry[1] ?? ''] = value(entry[2] ?? '', line, (next) => next.indent > indent || (next.indent === indent && next.text.startsWith('-')));
      } else refuse(line);
    }
    return isList === true ? list : table;
  }
  const first = lines[0];
  if (first === undefined) return null;
  const document = block(first.indent);
  const rest = lines[at];
  return rest === undefined ? document : refuse(rest);
}
