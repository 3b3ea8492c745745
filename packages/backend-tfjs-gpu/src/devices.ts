import { isTesseraeError, TesseraeError } from '@tesserae/core';
import { importPackage } from './packages.js';
import type { Tf } from './tensorflow.js';

/** Devices in the order they are tried: fastest first. */
export const deviceOrder = ['webgpu', 'webgl', 'wasm', 'cpu'] as const;
export type TfjsDevice = (typeof deviceOrder)[number];

/** How to load the package of each device, which registers its kernels; a rejection says why the device cannot be had. */
export type DeviceLoaders = { readonly [D in TfjsDevice]: () => Promise<unknown> };

/** Imports the package of each device: all that a browser needs. */
export const browserLoaders: DeviceLoaders = {
  webgpu: () => importPackage('@tensorflow/tfjs-backend-webgpu', () => import('@tensorflow/tfjs-backend-webgpu')),
  webgl: () => importPackage('@tensorflow/tfjs-backend-webgl', () => import('@tensorflow/tfjs-backend-webgl')),
  wasm: () => importPackage('@tensorflow/tfjs-backend-wasm', () => import('@tensorflow/tfjs-backend-wasm')),
  cpu: () => importPackage('@tensorflow/tfjs-backend-cpu', () => import('@tensorflow/tfjs-backend-cpu')),
};

export interface OpenedDevice {
  readonly device: TfjsDevice;
  /** Why the devices before it were not taken: `device: reason`. */
  readonly refused: readonly string[];
}

function reasonOf(cause: unknown): string {
  if (isTesseraeError(cause) && cause.code === 'missing-dependency') return `the package ${String(cause.details.package)} is not installed`;
  return cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : String(cause);
}

/**
 * Makes the first device that works the active one.
 * @throws TesseraeError `missing-dependency` when all that is missing is packages; else `backend-unavailable` telling
 * why each device was refused.
 */
export async function openDevice(tf: Tf, wanted: readonly TfjsDevice[], loaders: DeviceLoaders): Promise<OpenedDevice> {
  const refused: string[] = [];
  const missing: TesseraeError[] = [];
  for (const device of wanted) {
    try {
      await loaders[device]();
      if (await tf.setBackend(device)) return { device, refused };
      refused.push(`${device}: it could not be started`);
    } catch (cause) {
      if (cause instanceof TesseraeError && cause.code === 'missing-dependency') missing.push(cause);
      refused.push(`${device}: ${reasonOf(cause)}`);
    }
  }
  const [first] = missing;
  if (first !== undefined && missing.length === wanted.length) {
    if (wanted.length === 1) throw first;
    throw new TesseraeError('missing-dependency', `No device of TensorFlow.js is installed. ${refused.join('; ')}.`, {
      remedy: 'Install one: npm install @tensorflow/tfjs-backend-wasm, or @tensorflow/tfjs-backend-webgpu where there is a GPU.',
      details: { refused },
    });
  }
  throw new TesseraeError('backend-unavailable', `TensorFlow.js has no device here. ${refused.join('; ')}.`, {
    remedy: 'Install @tensorflow/tfjs-backend-wasm (it runs everywhere), or choose the backend onnx.',
    details: { refused },
  });
}
