import { TesseraeError } from '@tesserae/core';
import type { TfjsDevice } from './devices.js';
import type { Tf } from './tensorflow.js';

/**
 * TensorFlow.js has one active device, on which every kernel runs, and another backend may have taken it. Gives the
 * function to call before kernels, in the same turn of the event loop as they. Call this one when the device is active.
 */
export function createActivation(tf: Tf, device: TfjsDevice): () => void {
  const engine = tf.backend();
  // The name alone does not tell: while another device starts, name and engine may be of two devices.
  const isActive = (): boolean => tf.getBackend() === device && tf.backend() === engine;
  return () => {
    if (isActive()) return;
    // The promise is for devices that have yet to start; this one has, so the switch is done when the call returns.
    void tf.setBackend(device);
    if (!isActive())
      throw new TesseraeError('backend-failure', `TensorFlow.js no longer has the device ${device}.`, { remedy: 'Do not remove its backend while Tesserae uses it.' });
  };
}
