import { refuseDamaged, refuseUnsafe, refuseUnsupported } from '../refusal.js';
import { type CallContext, newObject, reduceCall, resolveGlobal } from './globals.js';
import { setArrayState, setNumpyTypeState } from './numpy.js';
import { opcodeNames } from './opcodes.js';
import { describeValue, isKind, type PickleDictionary, type PickleValue, qualifiedName } from './values.js';

/*
 * Python's pickle machine with everything taken out that acts. It knows most opcodes (opcodes.ts) and a list of
 * harmless names (globals.ts), and turns the rest into an error that says what was refused and at which byte. Refused on purpose: INST, OBJ (they call classes), EXT1/2/4 (a registry of
 * objects), PERSID (a textual id; torch writes none), NEXT_BUFFER and READONLY_BUFFER (data from outside the file).
 */
/**
 * What one pickle may use. The largest checkpoints met hold some ten thousand tensors, at about 60 operations, 8
 * containers and 10 memo entries each; a hostile pickle within these bounds stays below 200 MB.
 */
export const pickleBudget = {
  operations: 4_000_000,
  containers: 400_000,
  memoEntries: 1_000_000,
  marks: 1_000,
  stack: 1_000_000,
  /** Of one line of the textual opcodes. */
  lineBytes: 64 << 10,
  /** Of one LONG: 2^8192 is no number of a checkpoint, and long numbers cost their length squared. */
  longBytes: 1 << 10,
  copiedItems: 1_000_000,
  copiedCharacters: 64 << 20,
} as const;

/** Thrown when a pickle goes on behind the bytes that were given, while the file has more. Only `readPickle` sees it. */
export const windowEnded = Symbol('window ended');

export interface PickleInput {
  readonly bytes: Uint8Array;
  /** For errors: the file, and where in it these bytes start. */
  readonly file: string;
  readonly start: number;
  /** How many bytes there are from `start` to the end of the file or entry; more than `bytes` when only a window is given. */
  readonly available: number;
  /** Resolves a persistent id (BINPERSID), torch's way to say "the storage number 7". */
  readonly persistent?: (id: PickleValue, context: CallContext) => PickleValue;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function latin1(bytes: Uint8Array): string {
  let text = '';
  // In pieces: a call has only so many arguments.
  for (let start = 0; start < bytes.length; start += 4096) text += String.fromCharCode(...bytes.subarray(start, start + 4096));
  return text;
}

function textLengthOfLast(value: PickleValue): number {
  const last = isKind(value, 'tuple') ? value.items[value.items.length - 1] : undefined;
  return typeof last === 'string' ? last.length : 0;
}

/** Little-endian two's complement. */
function parseLong(bytes: Uint8Array): number | bigint {
  let value = 0n;
  for (let index = bytes.length - 1; index >= 0; index -= 1) value = (value << 8n) | BigInt(bytes[index] ?? 0);
  return smallest(BigInt.asIntN(bytes.length * 8, value));
}

function smallest(value: bigint): number | bigint {
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}

/**
 * Interprets one pickle.
 * @returns its value, and how many bytes it took.
 * @throws TesseraeError `file-unsafe` for what it must not ask for, `file-corrupt` for what is no pickle; both name the opcode and the byte.
 */
export function runPickle({ bytes, file, start, available, persistent }: PickleInput): { readonly value: PickleValue; readonly length: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const stack: PickleValue[] = [];
  const marks: number[] = [];
  const memo = new Map<number, PickleValue>();
  let position = 0;
  let at = 0;
  let code = 0;
  let operations = 0;
  let containers = 0;
  let copiedItems = 0;
  let copiedCharacters = 0;

  const where = () => `at byte ${start + at}`;
  const details = () => ({ byte: start + at, opcode: opcodeNames.get(code) ?? code });
  const context: CallContext = {
    damaged: (problem) => refuseDamaged(file, `its pickle ${problem} (${opcodeNames.get(code) ?? `opcode 0x${code.toString(16)}`} ${where()})`, details()),
    unsafe: (problem) => refuseUnsafe(file, `its pickle ${problem} (${opcodeNames.get(code) ?? `opcode 0x${code.toString(16)}`} ${where()})`, details()),
    spend({ items, characters }) {
      copiedItems += items;
      copiedCharacters += characters;
      if (copiedItems > pickleBudget.copiedItems || copiedCharacters > pickleBudget.copiedCharacters) context.unsafe('copies more than any checkpoint does');
    },
  };
  const { damaged, unsafe } = context;

  const take = (length: number): number => {
    const from = position;
    if (length > available - from) return damaged(`is truncated: a value of length ${length} is needed, but ${Math.max(0, available - from)} bytes are left before the end`);
    if (from + length > bytes.length) throw windowEnded;
    position += length;
    return from;
  };
  const takeBytes = (length: number): Uint8Array => {
    const from = take(length);
    return bytes.subarray(from, from + length);
  };
  const byte = () => view.getUint8(take(1));
  const uint32 = () => view.getUint32(take(4), true);
  const uint64 = (): number => {
    const value = view.getBigUint64(take(8), true);
    return value > BigInt(available) ? damaged(`is truncated: it claims a value of length ${value}, but ${available - position} bytes are left`) : Number(value);
  };
  const text = (length: number): string => {
    const content = takeBytes(length);
    try {
      return utf8.decode(content);
    } catch {
      return damaged('has a text that is not UTF-8');
    }
  };
  /** A text of Python 2: UTF-8 if it can be read so, else bytes. */
  const byteString = (length: number): PickleValue => {
    const content = takeBytes(length);
    try {
      return utf8.decode(content);
    } catch {
      return content;
    }
  };
  const line = (): string => {
    const end = bytes.subarray(position, position + pickleBudget.lineBytes).indexOf(0x0a);
    if (end < 0) {
      if (position + pickleBudget.lineBytes > bytes.length && bytes.length < available) throw windowEnded;
      return damaged('has a line without end');
    }
    const content = latin1(takeBytes(end));
    take(1);
    return content;
  };

  const push = (value: PickleValue) => {
    if (stack.length >= pickleBudget.stack) unsafe(`has more than ${pickleBudget.stack} values on its stack`);
    stack.push(value);
  };
  const container = <T extends PickleValue>(value: T): T => {
    containers += 1;
    if (containers > pickleBudget.containers) unsafe(`has more than ${pickleBudget.containers} containers`);
    return value;
  };
  const floor = () => marks[marks.length - 1] ?? 0;
  const pop = (): PickleValue => (stack.length <= floor() ? damaged('takes from an empty stack') : (stack.pop() ?? null));
  const top = (): PickleValue => (stack.length <= floor() ? damaged('looks at an empty stack') : (stack[stack.length - 1] ?? null));
  const popToMark = (): PickleValue[] => {
    const mark = marks.pop();
    return mark === undefined ? damaged('has no mark on its stack') : stack.splice(mark);
  };
  const popMany = (count: number): PickleValue[] => (stack.length - count < floor() ? damaged('takes from an empty stack') : stack.splice(stack.length - count));
  const put = (key: number, value: PickleValue) => {
    if (memo.size >= pickleBudget.memoEntries) unsafe(`has more than ${pickleBudget.memoEntries} memo entries`);
    memo.set(key, value);
  };
  const get = (key: number): PickleValue => memo.get(key) ?? (memo.has(key) ? null : damaged(`reads memo ${key}, which was never written`));
  const decimal = (content: string): number | bigint =>
    /^[+-]?\d{1,2000}$/.test(content) ? smallest(BigInt(content.replace(/^\+/, ''))) : damaged(`has the number '${content.slice(0, 50)}'`);
  const index = (): number => {
    const value = decimal(line());
    return typeof value === 'number' ? value : damaged(`has the memo index ${value}`);
  };

  const append = (target: PickleValue, items: readonly PickleValue[]) => {
    if (typeof target !== 'object' || target === null || target instanceof Uint8Array || (target.kind !== 'list' && target.kind !== 'object'))
      return damaged(`appends to ${describeValue(target)}`);
    for (const item of items) target.items.push(item);
  };
  const setItems = (target: PickleValue, items: readonly PickleValue[]) => {
    if (typeof target !== 'object' || target === null || target instanceof Uint8Array || (target.kind !== 'dictionary' && target.kind !== 'object'))
      return damaged(`sets an item of ${describeValue(target)}`);
    if (items.length % 2 !== 0) return damaged('has a key without a value');
    for (let each = 0; each < items.length; each += 2) target.entries.set(items[each] ?? null, items[each + 1] ?? null);
  };
  const dictionary = (): PickleDictionary => container({ kind: 'dictionary', entries: new Map() });

  const build = (target: PickleValue, state: PickleValue) => {
    if (typeof target !== 'object' || target === null || target instanceof Uint8Array) return unsafe(`sets the state of ${describeValue(target)}`);
    switch (target.kind) {
      case 'object':
        target.state = state;
        return;
      case 'array':
        // Python 2 wrote the bytes as a text, which is encoded again here.
        context.spend({ items: 0, characters: textLengthOfLast(state) });
        setArrayState(target, state, damaged);
        return;
      case 'element-type':
        setNumpyTypeState(target, state, damaged);
        return;
      case 'dictionary':
      case 'set':
      case 'tensor':
        // Attributes beside the content: `_metadata` of state dictionaries, those of parameters. No weights need them.
        return;
      case 'class':
        return unsafe(`sets the state of the class '${qualifiedName(target)}'`);
      case 'list':
      case 'tuple':
      case 'storage':
        return damaged(`sets the state of ${describeValue(target)}`);
      default:
        return target satisfies never;
    }
  };

  for (;;) {
    at = position;
    operations += 1;
    if (operations > pickleBudget.operations) unsafe(`has more than ${pickleBudget.operations} operations`);
    if (position >= available) return damaged('is truncated: it ends without STOP');
    code = byte();
    const name = opcodeNames.get(code);
    switch (name) {
      case 'PROTO': {
        const protocol = byte();
        if (protocol > 5) damaged(`has the protocol ${protocol}, which does not exist`);
        break;
      }
      case 'FRAME': {
        const length = uint64();
        if (length > available - position) damaged(`is truncated: a frame of length ${length} is needed`);
        break;
      }
      case 'STOP': {
        const value = pop();
        return stack.length > 0 || marks.length > 0 ? damaged('stops with values left on its stack') : { value, length: position };
      }
      case 'MARK':
        if (marks.length >= pickleBudget.marks) unsafe(`is nested deeper than ${pickleBudget.marks} levels`);
        marks.push(stack.length);
        break;
      case 'POP':
        // On a mark it takes the mark.
        if (stack.length === floor() && marks.length > 0) marks.pop();
        else pop();
        break;
      case 'POP_MARK':
        popToMark();
        break;
      case 'DUP':
        push(top());
        break;
      case 'NONE':
        push(null);
        break;
      case 'NEWTRUE':
        push(true);
        break;
      case 'NEWFALSE':
        push(false);
        break;
      case 'INT': {
        const content = line();
        push(content === '00' ? false : content === '01' ? true : decimal(content));
        break;
      }
      case 'LONG':
        push(decimal(line().replace(/L$/, '')));
        break;
      case 'FLOAT': {
        const content = line().trim();
        const special: Readonly<Record<string, number>> = { nan: Number.NaN, inf: Number.POSITIVE_INFINITY, '-inf': Number.NEGATIVE_INFINITY };
        push(/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(content) ? Number(content) : (special[content] ?? damaged(`has the number '${content.slice(0, 50)}'`)));
        break;
      }
      case 'BINFLOAT':
        push(view.getFloat64(take(8), false));
        break;
      case 'BININT':
        push(view.getInt32(take(4), true));
        break;
      case 'BININT1':
        push(byte());
        break;
      case 'BININT2':
        push(view.getUint16(take(2), true));
        break;
      case 'LONG1':
        push(parseLong(takeBytes(byte())));
        break;
      case 'LONG4': {
        const length = view.getInt32(take(4), true);
        if (length < 0 || length > pickleBudget.longBytes) damaged(`has a number of length ${length}`);
        push(parseLong(takeBytes(length)));
        break;
      }
      case 'STRING': {
        const [, , content] = /^(["'])(.*)\1$/.exec(line()) ?? [];
        if (content === undefined || content.includes('\\')) return refuseUnsupported(file, `its pickle has a text of protocol 0 with escapes (STRING ${where()})`);
        push(content);
        break;
      }
      case 'UNICODE':
        push(line().replace(/\\u([\da-f]{4})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))));
        break;
      case 'BINSTRING': {
        const length = view.getInt32(take(4), true);
        push(length < 0 ? damaged(`has a text of length ${length}`) : byteString(length));
        break;
      }
      case 'SHORT_BINSTRING':
        push(byteString(byte()));
        break;
      case 'SHORT_BINUNICODE':
        push(text(byte()));
        break;
      case 'BINUNICODE':
        push(text(uint32()));
        break;
      case 'BINUNICODE8':
        push(text(uint64()));
        break;
      case 'SHORT_BINBYTES':
        push(takeBytes(byte()));
        break;
      case 'BINBYTES':
        push(takeBytes(uint32()));
        break;
      case 'BINBYTES8':
      case 'BYTEARRAY8':
        push(takeBytes(uint64()));
        break;
      case 'EMPTY_LIST':
        push(container({ kind: 'list', items: [] }));
        break;
      case 'EMPTY_DICT':
        push(dictionary());
        break;
      case 'EMPTY_SET':
        push(container({ kind: 'set', items: new Set<PickleValue>() }));
        break;
      case 'EMPTY_TUPLE':
        push(container({ kind: 'tuple', items: [] }));
        break;
      case 'TUPLE1':
        push(container({ kind: 'tuple', items: popMany(1) }));
        break;
      case 'TUPLE2':
        push(container({ kind: 'tuple', items: popMany(2) }));
        break;
      case 'TUPLE3':
        push(container({ kind: 'tuple', items: popMany(3) }));
        break;
      case 'TUPLE':
        push(container({ kind: 'tuple', items: popToMark() }));
        break;
      case 'LIST':
        push(container({ kind: 'list', items: popToMark() }));
        break;
      case 'DICT': {
        const items = popToMark();
        const made = dictionary();
        setItems(made, items);
        push(made);
        break;
      }
      case 'FROZENSET':
        push(container({ kind: 'set', items: new Set(popToMark()) }));
        break;
      case 'APPEND': {
        const item = pop();
        append(top(), [item]);
        break;
      }
      case 'APPENDS': {
        const items = popToMark();
        append(top(), items);
        break;
      }
      case 'SETITEM': {
        const items = popMany(2);
        setItems(top(), items);
        break;
      }
      case 'SETITEMS': {
        const items = popToMark();
        setItems(top(), items);
        break;
      }
      case 'ADDITEMS': {
        const items = popToMark();
        const target = top();
        if (isKind(target, 'set')) for (const item of items) target.items.add(item);
        else append(target, items);
        break;
      }
      case 'GET':
        push(get(index()));
        break;
      case 'BINGET':
        push(get(byte()));
        break;
      case 'LONG_BINGET':
        push(get(uint32()));
        break;
      case 'PUT':
        put(index(), top());
        break;
      case 'BINPUT':
        put(byte(), top());
        break;
      case 'LONG_BINPUT':
        put(uint32(), top());
        break;
      case 'MEMOIZE':
        put(memo.size, top());
        break;
      case 'GLOBAL': {
        const module = line();
        push(resolveGlobal(module, line(), context));
        break;
      }
      case 'STACK_GLOBAL': {
        const [module, attribute] = popMany(2);
        if (typeof module !== 'string' || typeof attribute !== 'string') return damaged('asks for a name that is no text');
        push(resolveGlobal(module, attribute, context));
        break;
      }
      case 'REDUCE': {
        const [callable, args] = popMany(2);
        push(container(reduceCall(callable ?? null, args ?? null, context)));
        break;
      }
      case 'NEWOBJ': {
        const [type, args] = popMany(2);
        push(container(newObject(type ?? null, args ?? null, context)));
        break;
      }
      case 'NEWOBJ_EX': {
        // Keyword arguments are of no use to a record.
        const [type, args] = popMany(3);
        push(container(newObject(type ?? null, args ?? null, context)));
        break;
      }
      case 'BUILD': {
        const state = pop();
        build(top(), state);
        break;
      }
      case 'BINPERSID': {
        const id = pop();
        if (persistent === undefined) return damaged('refers to data outside of itself');
        push(container(persistent(id, context)));
        break;
      }
      case 'INST': {
        const module = line();
        return unsafe(`asks to call '${`${module}.${line()}`.slice(0, 300)}'`);
      }
      case 'OBJ': {
        const [type] = popToMark();
        return unsafe(`asks to call ${describeValue(type ?? null)}`);
      }
      case 'PERSID':
      case 'EXT1':
      case 'EXT2':
      case 'EXT4':
      case 'NEXT_BUFFER':
      case 'READONLY_BUFFER':
        return unsafe('uses an opcode that no checkpoint needs');
      case undefined:
        return damaged('has an opcode that does not exist');
      default:
        return name satisfies never;
    }
  }
}
