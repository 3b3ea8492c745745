import { isTesseraeError, type TesseraeError } from '@tesserae/core';
import { describe, expect, it } from 'vitest';
import { ascii, joinBytes, write } from '../__fixtures__/writers.js';
import { pickleBudget, runPickle } from './machine.js';
import { isKind, type PickleValue } from './values.js';

function run(bytes: Uint8Array): PickleValue {
  return runPickle({ bytes, file: 'file.pkl', start: 100, available: bytes.length }).value;
}

function refusal(bytes: Uint8Array): TesseraeError {
  try {
    run(bytes);
  } catch (error) {
    if (isTesseraeError(error)) return error;
    throw error;
  }
  throw new Error('it was accepted');
}

const call = (module: string, name: string, ...args: Uint8Array[]) => write.pickle(write.call(write.global(module, name), write.tuple(...args)));
const repeat = (text: string, times: number) => ascii(text.repeat(times));

describe('the pickle machine', () => {
  it('reads plain values', () => {
    expect(run(ascii('\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00K\x01\x94h\x00\x86.'))).toEqual({ kind: 'tuple', items: [1, 1] });
    expect(run(ascii("(lp0\nI5\naL-7L\naF1.5\naI01\naS'x'\naVy\\u00e9\nag0\na0N."))).toBeNull();
    expect(run(ascii('\x80\x02\x8a\x02\xff\x7f.'))).toBe(32767);
    expect(run(ascii('\x80\x02\x8a\x01\xff.'))).toBe(-1);
    expect(run(ascii('\x80\x02\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01.'))).toBe(2n ** 64n);
    expect(run(ascii('\x80\x02G?\xf8\x00\x00\x00\x00\x00\x00.'))).toBe(1.5);
    expect(run(ascii('\x80\x04\x8f(K\x01K\x01\x90.'))).toEqual({ kind: 'set', items: new Set([1]) });
    expect(run(ascii('\x80\x02U\x02\xff\xfe.'))).toEqual(Uint8Array.of(0xff, 0xfe));
  });

  it('turns unknown classes into records, and never runs them', () => {
    const object = run(write.pickle(write.object('some.package', 'Thing', write.dictionary({ size: write.int(3) }))));
    expect(object).toMatchObject({ kind: 'object', className: 'some.package.Thing', state: { kind: 'dictionary', entries: new Map([['size', 3]]) } });
    expect(run(write.pickle(write.global('some.package', 'Thing')))).toEqual({ kind: 'class', module: 'some.package', name: 'Thing' });
  });

  it.each([
    ['os', 'system'],
    ['posix', 'system'],
    ['nt', 'system'],
    ['__builtin__', 'eval'],
    ['builtins', 'exec'],
    ['builtins', 'getattr'],
    ['builtins', '__import__'],
    ['subprocess', 'Popen'],
    ['importlib', 'import_module'],
    ['runpy', '_run_code'],
    ['operator', 'attrgetter'],
    ['functools', 'partial'],
    ['codecs', 'decode'],
    ['shutil', 'rmtree'],
    ['webbrowser', 'open'],
    ['torch', 'load'],
    ['torch.hub', 'load'],
    ['torch.storage', '_load_from_bytes'],
    ['torch.serialization', 'os.system'],
    ['numpy.testing._private.utils', 'runstring'],
    ['pip', 'main'],
    ['some.package', 'function'],
    ['some..package', 'Thing'],
    ['some package', 'Thing'],
    ['', 'Thing'],
  ])('refuses the mere name %s.%s', (module, name) => {
    const error = refusal(write.pickle(write.global(module, name)));
    expect(error.code).toBe('file-unsafe');
    expect(error.message).toContain(`'${module}.${name}'`);
    expect(error.message).toContain('GLOBAL at byte 102');
    expect(error.details).toEqual({ byte: 102, opcode: 'GLOBAL' });
  });

  it('refuses calls of what is not on the list, by every opcode that calls', () => {
    expect(refusal(call('some.package', 'Thing', write.int(1)))).toMatchObject({
      code: 'file-unsafe',
      message: expect.stringContaining("asks to call 'some.package.Thing' (REDUCE at byte"),
    });
    expect(refusal(ascii('(K\x01isome.package\nThing\n.')).message).toContain("asks to call 'some.package.Thing' (INST at byte 103)");
    expect(refusal(ascii('(csome.package\nThing\nK\x01o.')).message).toContain('asks to call some.package.Thing (OBJ');
    expect(refusal(ascii('\x80\x02K\x01)R.')).code).toBe('file-unsafe');
    expect(refusal(ascii('\x80\x02\x82\x01.')).message).toContain('EXT1');
    expect(refusal(ascii('\x80\x05\x97.')).message).toContain('NEXT_BUFFER');
    // The callable is the result of another call.
    expect(refusal(ascii('\x80\x02ccollections\nOrderedDict\n)R)R.')).message).toContain('asks to call a dictionary');
    expect(refusal(ascii('\x80\x02csome.package\nThing\nNb.')).message).toContain("sets the state of the class 'some.package.Thing'");
  });

  it.each([
    ['an empty file', '', 'ends without STOP'],
    ['no STOP', '\x80\x02}', 'ends without STOP'],
    ['values left over', '\x80\x02NN.', 'left on its stack'],
    ['an empty stack', '\x80\x02.', 'empty stack'],
    ['a mark in the way', '\x80\x02N(\x85.', 'empty stack'],
    ['no mark', '\x80\x02Nt.', 'no mark'],
    ['an unknown memo', '\x80\x02h\x05.', 'memo 5'],
    ['an unknown opcode', '\x80\x02\xff.', 'opcode 0xff'],
    ['an unknown protocol', '\x80\x06N.', 'protocol 6'],
    ['a text beyond the end', '\x80\x02X\x10\x00\x00\x00abc.', 'length 16'],
    ['a text of 2^62 bytes', '\x80\x04\x8d\x00\x00\x00\x00\x00\x00\x00\x40abc.', 'length 4611686018427387904'],
    ['a text of negative length', '\x80\x02T\xff\xff\xff\xffabc.', 'length -1'],
    ['a text that is not UTF-8', '\x80\x02X\x02\x00\x00\x00\xff\xfe.', 'UTF-8'],
    ['an endless line', '\x80\x02Iabc', 'line without end'],
    ['a number of letters', 'Iabc\n.', "number 'abc'"],
    ['an item of a number', '\x80\x02K\x01K\x02a.', 'appends to a number'],
    ['a key without a value', '\x80\x02}(K\x01u.', 'key without a value'],
    ['a persistent id', '\x80\x02K\x01Q.', 'outside of itself'],
  ])('refuses %s', (_, text, message) => {
    const error = refusal(ascii(text));
    expect(error.code).toBe('file-corrupt');
    expect(error.message).toContain(message);
  });

  it('keeps within its budget', () => {
    const tests: [Uint8Array, string][] = [
      [repeat('(', pickleBudget.marks + 1), 'nested deeper'],
      [repeat('N', pickleBudget.stack + 1), 'on its stack'],
      [repeat('N0', pickleBudget.operations / 2), 'operations'],
      [joinBytes([ascii('('), repeat('}0', pickleBudget.containers + 1)]), 'containers'],
      [ascii('\x80\x02\x8b\x00\x10\x00\x00'), 'number of length 4096'],
    ];
    for (const [bytes, message] of tests) expect(refusal(bytes).message).toContain(message);
    // A list of 1000 values copied 1001 times.
    const list = joinBytes([ascii('\x80\x02]('), repeat('N', 1000), ascii('eq\x000')]);
    const copy = ascii('c__builtin__\nset\n(h\x00tR0');
    expect(refusal(joinBytes([list, ...Array.from({ length: 1001 }, () => copy)])).message).toContain('copies more');
  });

  it('holds lists that hold themselves', () => {
    const value = run(ascii('\x80\x02]q\x00h\x00a.'));
    expect(value).toMatchObject({ kind: 'list' });
    expect(isKind(value, 'list') && value.items[0] === value).toBe(true);
  });
});
