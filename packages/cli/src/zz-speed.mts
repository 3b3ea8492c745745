import * as core from '@tesserae/core';
import { createNodeOnnxBackend } from '@tesserae/backend-onnx/node';
const ops = core;
const [,, HID='32', BLK='1', B='32', K='1024'] = process.argv;
const hid=+HID, blk=+BLK, batch=+B, vocab=+K;
const backend = await createNodeOnnxBackend();
const key = core.keyFromSeed(3);
const gain = 1/(4*blk)**2;
function block(p: core.ParameterScope, x: core.Tensor, out: number, kernels: number[]) {
  let h = x; const mid = out/4;
  kernels.forEach((k,i)=>{ h = core.conv2dLayer(p.child('c'+i), ops.relu(h), {channels: i===3?out:mid, filterSize:k}); });
  const id = x.shape[1]===out ? x : core.conv2dLayer(p.child('id'), x, {channels: out, filterSize:1});
  return ops.add(id, ops.multiply(h, gain));
}
let flops=0;
const step = core.createTrainingStep('t', ({ scope, parameters }) => {
  const x = scope.input('x', [batch, 3, 64, 64]);
  const u = scope.input('u', [batch, vocab, 8, 8]);
  let h = core.conv2dLayer(parameters.child('in'), x, { channels: hid, filterSize: 7 });
  [1,2,4,8].forEach((m,g)=>{ for(let b=0;b<blk;b++) h = block(parameters.child(`e${g}.${b}`), h, hid*m, [3,3,3,1]); if(g<3) h = ops.maxPool2d(h); });
  const logits = core.conv2dLayer(parameters.child('out'), ops.relu(h), { channels: vocab, filterSize: 1 });
  const soft = ops.transpose(ops.softmax(ops.transpose(ops.add(logits, ops.negate(ops.log(ops.negate(ops.log(u))))),[0,2,3,1])),[0,3,1,2]);
  let d = core.conv2dLayer(parameters.child('din'), soft, { channels: 2*hid, filterSize: 1 });
  [8,4,2,1].forEach((m,g)=>{ for(let b=0;b<blk;b++) d = block(parameters.child(`d${g}.${b}`), d, hid*m, [1,3,3,3]); if(g<3) d = ops.upsampleNearest2d(d); });
  const out = core.conv2dLayer(parameters.child('dout'), ops.relu(d), { channels: 6, filterSize: 1 });
  return { loss: ops.reduceMean(ops.square(ops.subtract(ops.sliceAxis(out,1,0,3), x))) };
}, { learningRate: { kind: 'constant', value: 1e-3 }, ema: 0.99 });
for (const n of step.graph.nodes) { if (n.operation==='conv2d') { const f = step.graph.nodes[n.inputs[1]!]!.shape; flops += 3*2*core.sizeOf(n.shape)*f[1]!*f[2]!*f[3]!; } }
let np=0; for (const s of step.specs.values()) np+=core.sizeOf(s.shape);
console.log('params', np, 'GFLOP/step', flops/1e9, 'nodes', step.graph.nodes.length);
const state = await backend.createState(core.initialTrainingState(step, key));
const program = await backend.compile(step.graph, { state });
const x = core.float32Array([batch,3,64,64], core.uniformArray(key, batch*3*64*64));
for (let i=0;i<4;i++){ const t0=performance.now(); const u = core.float32Array([batch,vocab,8,8], core.uniformArray(core.deriveKey(key,i), batch*vocab*64)); const t1=performance.now(); const r = await program.run({x,u}); const t=performance.now(); console.log('noise', (t1-t0).toFixed(), 'step ms', (t-t1).toFixed(), 'GFLOP/s', (flops/1e6/(t-t1)).toFixed(1), r.loss!.data[0]); }
