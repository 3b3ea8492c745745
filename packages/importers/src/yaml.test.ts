import { isTesseraeError } from '@tesserae/core';
import { describe, expect, it } from 'vitest';
import { parseYaml } from './yaml.js';

const read = (text: string): unknown => JSON.parse(JSON.stringify(parseYaml(text, 'config.yaml')));

describe('settings in YAML', () => {
  it('are read as training scripts write them', () => {
    const text = `# a comment
model:
  base_learning_rate: 4.5e-06
  target: taming.models.vqgan.VQModel   # where it lies
  params:
    ddconfig:
      double_z: false
      ch_mult: [1, 1, 2]   # flow
      attn_resolutions:
      - 16
      dropout: 0.0
    lossconfig:
    monitor: "val/rec_loss"
    name: 'it''s'
lists:
  - a
  - -2
url: http://example.org/#anchor
`;
    expect(read(text)).toEqual({
      model: {
        base_learning_rate: 4.5e-6,
        target: 'taming.models.vqgan.VQModel',
        params: {
          ddconfig: { double_z: false, ch_mult: [1, 1, 2], attn_resolutions: [16], dropout: 0 },
          lossconfig: null,
          monitor: 'val/rec_loss',
          name: "it's",
        },
      },
      lists: ['a', -2],
      url: 'http://example.org/#anchor',
    });
    expect(parseYaml('', 'config.yaml')).toBeNull();
  });

  it.each([
    ['a tag, which names code', 'a: 1\nb: !!python/object/apply:os.system ["true"]', 'line 2'],
    ['an anchor', 'a: &x 1', 'line 1'],
    ['an alias', 'a: *x', 'line 1'],
    ['a block text', 'a: |\n  text', 'line 1'],
    ['a map in braces', 'a: {b: 1}', 'line 1'],
    ['a list of maps', 'a:\n  - b: 1', 'line 2'],
    ['wrong indentation', 'a: 1\n   b: 2', 'line 2'],
  ])('%s is refused by its line', (_, text, line) => {
    const attempt = (): unknown => {
      try {
        return parseYaml(text, 'config.yaml');
      } catch (error) {
        return error;
      }
    };
    const error = attempt();
    expect(isTesseraeError(error) && error.message).toContain(`config.yaml: ${line}`);
  });

  it('cannot touch JavaScript itself', () => {
    const table = parseYaml('__proto__:\n  polluted: true', 'config.yaml');
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    expect(Object.getPrototypeOf(table)).toBeNull();
  });
});
