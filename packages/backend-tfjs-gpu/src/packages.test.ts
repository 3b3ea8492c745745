import { describe, expect, it } from 'vitest';
import { importPackage } from './packages.js';

describe('an optional package', () => {
  it('is imported', async () => {
    expect(await importPackage('@tensorflow/tfjs-core', () => import('@tensorflow/tfjs-core'))).toHaveProperty('tidy');
  });

  it('that is not installed is named with what to do', async () => {
    const name = '@tesserae/there-is-no-such-package';
    await expect(importPackage(name, () => import(name))).rejects.toMatchObject({
      code: 'missing-dependency',
      message: expect.stringContaining(`needs the package ${name}`),
      remedy: `Install it: npm install ${name}.`,
    });
  });

  it('that is installed but broken is not called missing', async () => {
    const broken = () => Promise.reject(new Error('libfoo.so: wrong ELF class'));
    await expect(importPackage('webgpu', broken)).rejects.toMatchObject({ code: 'backend-unavailable', message: expect.stringContaining('wrong ELF class') });
  });
});
