import { type ElementType, elementTypesByName } from '../element-type.js';
import { makeFromBuffer, makeNumpyType, makeScalar } from './numpy.js';
import { pythonModules } from './python-modules.js';
import { type ClassReference, describeValue, isKind, type PickleValue, qualifiedName, type TensorRecord } from './values.js';

/** What calls may do besides making a record: refuse, saying where, and pay for what they copy. */
export interface CallContext {
  damaged(problem: string): never;
  unsafe(problem: string): never;
  /** One small argument named again and again could fill the memory with copies of itself. */
  spend(copies: { readonly items: number; readonly characters: number }): void;
}

/** What a call on the list makes of its arguments: a record. None of them does anything else. */
type HarmlessCall = (args: readonly PickleValue[], refuse: CallContext) => PickleValue;

/** Names of torch's storages, without `Storage` (torch/storage.py, `_new_dtypes`); complex and quantised ones are not read. */
const storageTypes: Readonly<Record<string, ElementType>> = {
  Double: 'F64',
  Float: 'F32',
  Half: 'F16',
  BFloat16: 'BF16',
  Long: 'I64',
  Int: 'I32',
  Short: 'I16',
  Char: 'I8',
  Byte: 'U8',
  Bool: 'BOOL',
};

/** The element type of `torch.FloatStorage` and its kin (`untyped` for raw bytes); undefined for any other class. */
export function storageType({ module, name }: ClassReference): ElementType | 'untyped' | undefined {
  if (!['torch', 'torch.cuda', 'torch.storage'].includes(module)) return undefined;
  if (name === 'UntypedStorage' || name === '_UntypedStorage') return 'untyped';
  const [, type] = /^(\w+)Storage$/.exec(name) ?? [];
  return type !== undefined && Object.hasOwn(storageTypes, type) ? storageTypes[type] : undefined;
}

function itemsOf(value: PickleValue | undefined): readonly PickleValue[] {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return [];
  if (value.kind === 'list' || value.kind === 'tuple') return value.items;
  return value.kind === 'set' ? [...value.items] : [];
}

/** A dictionary from pairs or from another dictionary, as Python 2 and `dict` subclasses write them. */
const makeDictionary: HarmlessCall = ([content]) => {
  const entries = new Map<PickleValue, PickleValue>();
  if (isKind(content, 'dictionary')) {
    for (const [key, value] of content.entries) entries.set(key, value);
  } else {
    for (const pair of itemsOf(content)) {
      const [key, value] = itemsOf(pair);
      if (key !== undefined && value !== undefined) entries.set(key, value);
    }
  }
  return { kind: 'dictionary', entries };
};

const makeSet: HarmlessCall = ([content]) => ({ kind: 'set', items: new Set(itemsOf(content)) });

function tensorOf(args: readonly PickleValue[], refuse: CallContext, type?: ElementType): TensorRecord {
  const [storage, offset, shape, strides] = args;
  if (!isKind(storage, 'storage')) return refuse.damaged(`a tensor is made of ${describeValue(storage ?? null)}, not of a storage`);
  const dtype = type ?? storage.dtype;
  if (dtype === undefined) return refuse.damaged('a tensor of an untyped storage has no element type');
  if (offset === undefined || shape === undefined || strides === undefined) return refuse.damaged('a tensor has no offset, shape or stride');
  return { kind: 'tensor', storage, dtype, offset, shape, strides };
}

/** A parameter is the tensor it wraps: (data, requires_grad, hooks[, state]). */
const unwrapParameter: HarmlessCall = ([data], refuse) => data ?? refuse.damaged('a parameter has no data');

const makeTensorOfType: HarmlessCall = (args, refuse) => {
  const type = args[6];
  if (!isKind(type, 'element-type') || type.dtype === undefined) return refuse.damaged('a tensor has no element type');
  return tensorOf(args, refuse, type.dtype);
};

/** `torch.device('cuda', 0)`, `torch.Generator`, layouts: where something ran is of no interest. */
const asText: HarmlessCall = (args) => args.filter((part) => typeof part === 'string' || typeof part === 'number').join(':');

const makePath: HarmlessCall = (args) => args.filter((part) => typeof part === 'string').join('/');

/** TorchScript's typed lists are lists. */
const firstArgument: HarmlessCall = ([value]) => value ?? null;

/** `_codecs.encode(text, 'latin1')`: how protocol 2 writes bytes. */
const encodeBytes: HarmlessCall = ([text, encoding], refuse) => {
  if (typeof text !== 'string' || typeof encoding !== 'string' || !/^latin-?1$/i.test(encoding)) return refuse.damaged('bytes are encoded in an unknown way');
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
};

/** `copyreg._reconstructor(class, base, state)`: how protocols 0 and 1 write an object. */
const reconstruct: HarmlessCall = ([type], refuse) => {
  if (!isKind(type, 'class')) return refuse.damaged('an object has no class');
  return { kind: 'object', className: qualifiedName(type), constructorArguments: [], state: null, entries: new Map(), items: [] };
};

/** `Dict[str, int]` of Python's `typing`, as configurations hold it: a name with a name in brackets. */
const makeAlias: HarmlessCall = ([type], refuse) => {
  if (!isKind(type, 'class') || type.module !== 'typing') return refuse.unsafe(`asks to take an item of ${describeValue(type ?? null)}`);
  return { kind: 'object', className: qualifiedName(type), constructorArguments: [], state: null, entries: new Map(), items: [] };
};

const damagedOnly = ({ damaged }: CallContext) => damaged;

/**
 * All that REDUCE may "call". Anything else is refused by name. Sources: torch/_utils.py, torch/_tensor.py and
 * torch/jit/_pickle.py for what torch writes, numpy/core/multiarray for arrays, copyreg and the containers of Python.
 */
const harmlessCalls: ReadonlyMap<string, HarmlessCall> = new Map<string, HarmlessCall>([
  ['collections.OrderedDict', makeDictionary],
  // (factory,): the factory's name is of no use to data.
  ['collections.defaultdict', () => ({ kind: 'dictionary', entries: new Map() })],
  ['collections.Counter', makeDictionary],
  ...['__builtin__', 'builtins'].flatMap((module): [string, HarmlessCall][] => [
    [`${module}.set`, makeSet],
    [`${module}.frozenset`, makeSet],
    [`${module}.dict`, makeDictionary],
    [`${module}.list`, ([content]) => ({ kind: 'list', items: [...itemsOf(content)] })],
    [`${module}.tuple`, ([content]) => ({ kind: 'tuple', items: itemsOf(content) })],
  ]),
  ['torch._utils._rebuild_tensor', tensorOf],
  ['torch._utils._rebuild_tensor_v2', (args, refuse) => tensorOf(args, refuse)],
  ['torch._utils._rebuild_tensor_v3', makeTensorOfType],
  ['torch._utils._rebuild_parameter', unwrapParameter],
  ['torch._utils._rebuild_parameter_with_state', unwrapParameter],
  ['torch.Size', ([content]) => ({ kind: 'tuple', items: itemsOf(content) })],
  ['torch.device', asText],
  ['torch.serialization._get_layout', asText],
  ['torch.jit._pickle.build_intlist', firstArgument],
  ['torch.jit._pickle.build_doublelist', firstArgument],
  ['torch.jit._pickle.build_boollist', firstArgument],
  ['torch.jit._pickle.build_tensorlist', firstArgument],
  ['torch.jit._pickle.restore_type_tag', firstArgument],
  ...['numpy', 'numpy.core.multiarray', 'numpy._core.multiarray'].map((module): [string, HarmlessCall] => [`${module}.dtype`, ([code]) => makeNumpyType(code)]),
  ...['numpy.core.multiarray', 'numpy._core.multiarray'].flatMap((module): [string, HarmlessCall][] => [
    [`${module}._reconstruct`, () => ({ kind: 'array', content: undefined })],
    [`${module}.scalar`, (args, refuse) => makeScalar(args, damagedOnly(refuse))],
  ]),
  ...['numpy.core.numeric', 'numpy._core.numeric'].map((module): [string, HarmlessCall] => [`${module}._frombuffer`, (args, refuse) => makeFromBuffer(args, damagedOnly(refuse))]),
  ['operator.getitem', makeAlias],
  ['_operator.getitem', makeAlias],
  ['_codecs.encode', encodeBytes],
  ['copyreg._reconstructor', reconstruct],
  ['copy_reg._reconstructor', reconstruct],
  ...['PosixPath', 'WindowsPath', 'PurePosixPath', 'PureWindowsPath', 'Path', 'PurePath'].flatMap((name): [string, HarmlessCall][] => [
    [`pathlib.${name}`, makePath],
    [`pathlib._local.${name}`, makePath],
  ]),
]);

/** Of Python's own modules, classes that checkpoints hold as data. They become inert records. */
const harmlessClasses: ReadonlySet<string> = new Set([
  'argparse.Namespace',
  'types.SimpleNamespace',
  ...['Any', 'Dict', 'List', 'Optional', 'Sequence', 'Set', 'Tuple', 'Union'].map((name) => `typing.${name}`),
  ...['__builtin__', 'builtins'].flatMap((module) =>
    ['object', 'int', 'long', 'float', 'complex', 'bool', 'str', 'unicode', 'bytes', 'NoneType'].map((name) => `${module}.${name}`),
  ),
]);

/** A dotted name of identifiers. */
const plainModule = /^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$/;
/** Python names classes with a capital letter, functions without. */
const classLike = /^_*[A-Z]\w*$/;
/** Functions that whole modules hold as attributes (`activation = torch.nn.functional.relu`); they stay names. */
const harmlessFunctions = /^torch\.nn\.functional\.[a-z_]\w*$|^torch\._C\._nn\.(gelu|relu|silu)$/;

/**
 * What a pickle gets for a name: a record on the list, or the bare name of a class.
 * Refused: anything of Python's own modules that is not on the list, and whatever is no plain `module.Class`.
 */
export function resolveGlobal(module: string, name: string, refuse: CallContext): ClassReference | PickleValue {
  const qualified = `${module}.${name}`;
  const dtype = module === 'torch' ? elementTypesByName.get(name) : undefined;
  if (dtype !== undefined) return { kind: 'element-type', dtype, isBigEndian: false };
  const reference: ClassReference = { kind: 'class', module, name };
  if (harmlessCalls.has(qualified) || harmlessClasses.has(qualified) || qualified === rebuildFromType) return reference;
  const [top = ''] = module.split('.');
  const isPlain = plainModule.test(module) && !pythonModules.has(top) && (classLike.test(name) || harmlessFunctions.test(qualified) || qualified === 'numpy.ndarray');
  return isPlain ? reference : refuse.unsafe(`asks for '${qualified.slice(0, 300)}', which is not on the list of harmless names`);
}

/** No call copies more than its arguments and what they hold directly. */
function payFor(args: readonly PickleValue[], context: CallContext): void {
  let items = args.length;
  let characters = 0;
  for (const value of args) {
    if (typeof value === 'string') characters += value.length;
    else if (typeof value === 'object' && value !== null && !(value instanceof Uint8Array)) {
      if (value.kind === 'list' || value.kind === 'tuple') items += value.items.length;
      else if (value.kind === 'set') items += value.items.size;
      else if (value.kind === 'dictionary') items += value.entries.size;
    }
  }
  context.spend({ items, characters });
}

const rebuildFromType = 'torch._tensor._rebuild_from_type_v2';

/** REDUCE. @returns the record that the call stands for. */
export function reduceCall(callable: PickleValue, args: PickleValue, refuse: CallContext): PickleValue {
  if (!isKind(callable, 'class')) return refuse.unsafe(`asks to call ${describeValue(callable)}`);
  const qualified = qualifiedName(callable);
  if (!isKind(args, 'tuple')) return refuse.damaged(`calls '${qualified}' with ${describeValue(args)} instead of a tuple`);
  // `_rebuild_from_type_v2(function, class, arguments, state)` wraps another call: parameters of a subclass.
  if (qualified === rebuildFromType) {
    const [inner, , innerArgs] = args.items;
    const isSelf = isKind(inner, 'class') && qualifiedName(inner) === qualified;
    return isSelf ? refuse.damaged(`'${qualified}' calls itself`) : reduceCall(inner ?? null, innerArgs ?? null, refuse);
  }
  const call = harmlessCalls.get(qualified);
  if (call === undefined) return refuse.unsafe(`asks to call '${qualified}'`);
  payFor(args.items, refuse);
  return call(args.items, refuse);
}

/** NEWOBJ: an instance without running its class. */
export function newObject(type: PickleValue, args: PickleValue, refuse: CallContext): PickleValue {
  if (!isKind(type, 'class')) return refuse.unsafe(`asks to make an object of ${describeValue(type)}`);
  if (!isKind(args, 'tuple')) return refuse.damaged(`makes an object of '${qualifiedName(type)}' with ${describeValue(args)} instead of a tuple`);
  const qualified = qualifiedName(type);
  const call = harmlessCalls.get(qualified);
  if (call !== undefined) {
    payFor(args.items, refuse);
    return call(args.items, refuse);
  }
  return { kind: 'object', className: qualified, constructorArguments: args.items, state: null, entries: new Map(), items: [] };
}
