import * as core from '@tesserae/core';
import { writeFileSync } from 'node:fs';
import sharp from 'sharp';
import { createNodeOnnxBackend } from '@tesserae/backend-onnx/node';
import { sampleExample, drawScene } from '@tesserae/datasets';
const ops = core;
const arg = (n: string, d: string) => { const i = process.argv.indexOf('--'+n); return i>0 ? process.argv[i+1]! : d; };
const hid=+arg('hid','48'), blk=+arg('blk','1'), batch=+arg('batch','32'), vocab=+arg('vocab','1024'), steps=+arg('steps','600'), beta=+arg('beta','1'), lr=+arg('lr','1e-3'), out=arg('out','/tmp/dev/dvae'), tau0=+arg('tau0','1'), tau1=+arg('tau1','0.0625'), tauFrac=+arg('taufrac','0.75');
const backend = await createNodeOnnxBackend();
const key = core.keyFromSeed(3);
const gain = 1/(4*blk)**2;
function block(p: core.ParameterScope, x: core.Tensor, o: number, kernels: number[]) {
  let h = x; const mid = o/4;
  kernels.forEach((k,i)=>{ h = core.conv2dLayer(p.child('convolutions.'+i), ops.relu(h), {channels: i===3?o:mid, filterSize:k, initializer: {kind:'normal', deviation: Math.sqrt(2/(h.shape[1]!*k*k))}}); });
  const id = x.shape[1]===o ? x : core.conv2dLayer(p.child('identity'), x, {channels: o, filterSize:1});
  return ops.add(id, ops.multiply(h, gain));
}
function encoder(p: core.ParameterScope, x: core.Tensor) {
  let h = core.conv2dLayer(p.child('input'), x, { channels: hid, filterSize: 7 });
  [1,2,4,8].forEach((m,g)=>{ for(let b=0;b<blk;b++) h = block(p.child(`groups.${g}.blocks.${b}`), h, hid*m, [3,3,3,1]); if(g<3) h = ops.maxPool2d(h); });
  return core.conv2dLayer(p.child('output'), ops.relu(h), { channels: vocab, filterSize: 1 });
}
function decoder(p: core.ParameterScope, soft: core.Tensor) {
  let d = core.conv2dLayer(p.child('input'), soft, { channels: 2*hid, filterSize: 1, initializer: {kind:'normal', deviation: 1} });
  [8,4,2,1].forEach((m,g)=>{ for(let b=0;b<blk;b++) d = block(p.child(`groups.${g}.blocks.${b}`), d, hid*m, [1,3,3,3]); if(g<3) d = ops.upsampleNearest2d(d); });
  return core.conv2dLayer(p.child('output'), ops.relu(d), { channels: 6, filterSize: 1 });
}
const softmaxChannels = (t: core.Tensor) => ops.transpose(ops.softmax(ops.transpose(t,[0,2,3,1])),[0,3,1,2]);
const loss = (hard: boolean): core.LossFunction => ({ scope, parameters, step }) => {
  const x = scope.input('x', [batch, 3, 64, 64]);
  const mapped = ops.add(ops.multiply(x, 0.8), 0.1);
  const logits = encoder(parameters.child('encoder'), mapped);
  const tau = core.scheduleTensor({kind:'cosine', from: tau0, to: tau1, steps: steps*tauFrac}, step);
  let soft: core.Tensor;
  const codes = ops.argMax(logits, 1);
  if (hard) soft = ops.transpose(ops.oneHot(codes, vocab), [0,3,1,2]);
  else { const u = scope.input('u', [batch, vocab, 8, 8]); soft = softmaxChannels(ops.divide(ops.add(logits, ops.negate(ops.log(ops.negate(ops.log(u))))), tau)); }
  const maps = decoder(parameters.child('decoder'), soft);
  const mu = ops.sliceAxis(maps,1,0,3), lnb = ops.sliceAxis(maps,1,3,3);
  const logitX = ops.subtract(ops.log(mapped), ops.log(ops.subtract(1, mapped)));
  const nll = ops.add(ops.add(ops.add(lnb, Math.log(2)), ops.add(ops.log(mapped), ops.log(ops.subtract(1,mapped)))), ops.multiply(ops.absolute(ops.subtract(logitX, mu)), ops.exp(ops.negate(lnb))));
  const rec = ops.reduceMean(nll);
  const logq = ops.transpose(logits,[0,2,3,1]); const lq = ops.logSoftmax(logq);
  const kl = ops.add(ops.reduceMean(ops.reduceSum(ops.multiply(ops.exp(lq), lq), {axes:[-1]})), Math.log(vocab));
  const betaT = core.scheduleTensor({kind:'cosine', from:0, to: beta, steps: Math.max(1, steps*0.1)}, step);
  const xhat = ops.minimum(ops.maximum(ops.divide(ops.subtract(ops.sigmoid(mu),0.1),0.8),0),1);
  if (hard) { scope.output('codes', codes); scope.output('pictures', xhat); }
  return { loss: ops.add(rec, ops.multiply(ops.multiply(kl, betaT), 1/192)), metrics: { rec, kl, mse: ops.reduceMean(ops.square(ops.subtract(xhat, x))), tau } };
};
const step = core.createTrainingStep('dvae', loss(false), { learningRate: { kind: 'warmup-cosine', peak: lr, warmup: 50, final: lr/50, steps }, weightDecay: 1e-4, clipNorm: 1, ema: 0.99 });
const N = 6000;
const pics: Uint8Array[] = []; const t0=performance.now();
for (let i=0;i<N;i++) pics.push(drawScene(sampleExample(1,'train',i).scene).data);
console.log('drew', N, ((performance.now()-t0)/1000).toFixed(1),'s', sampleExample(1,'train',5));
const toBatch = (list: Uint8Array[]) => { const d = new Float32Array(batch*3*4096); list.forEach((p,b)=>{ for(let c=0;c<3;c++) for(let i=0;i<4096;i++) d[(b*3+c)*4096+i]=p[i*3+c]!/255; }); return core.float32Array([batch,3,64,64], d); };
const val = Array.from({length:batch},(_,i)=>drawScene(sampleExample(1,'validation',i).scene).data);
const evalGraph = core.createEvaluationStep('eval', loss(true), { average: true });
let start=performance.now();
const final = await core.train({ backend, step, steps, state: core.initialTrainingState(step, key),
  batch: (s) => { const idx = core.uniformArray(core.deriveKey(key,'i',s), batch); return { x: toBatch(Array.from(idx,(v)=>pics[Math.floor(v*N)]!)), u: core.float32Array([batch,vocab,8,8], core.uniformArray(core.deriveKey(key,'u',s), batch*vocab*64)) }; },
  onProgress: (p) => { if (p.step%50===0) console.log(p.step, ((performance.now()-start)/p.step).toFixed(0)+'ms', Object.entries(p.metrics).map(([k,v])=>`${k}=${v.toPrecision(4)}`).join(' ')); },
  evaluateEvery: 200,
  evaluate: async (store, s) => { const prog = await backend.compile(evalGraph, { state: store }); const r = await prog.run({ x: toBatch(val) }); prog.dispose();
    const used = new Set(r.codes!.data as Int32Array); const psnr = -10*Math.log10(r.mse!.data[0]!);
    console.log('EVAL', s, 'rec', r.rec!.data[0], 'psnr', psnr.toFixed(2), 'used', used.size);
    const w=16*66, strip = Buffer.alloc(w*132*3,255); for(let i=0;i<16;i++) for(let y=0;y<64;y++) for(let xx=0;xx<64;xx++) for(let c=0;c<3;c++){ strip[((y+1)*w+i*66+xx+1)*3+c]=val[i]![(y*64+xx)*3+c]!; strip[((y+67)*w+i*66+xx+1)*3+c]=Math.round(255*r.pictures!.data[((i*3+c)*64+y)*64+xx]!); }
    await sharp(strip,{raw:{width:w,height:132,channels:3}}).png().toFile(`${out}-${s}.png`); } });
console.log('done');
