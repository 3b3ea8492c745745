export { createTfjsBackend, type TfjsBackendOptions } from './backend.js';
export { browserLoaders, type DeviceLoaders, deviceOrder, type TfjsDevice } from './devices.js';
