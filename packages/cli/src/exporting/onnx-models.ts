import { toOnnxModel } from '@tesserae/backend-onnx';
import type { Graph } from '@tesserae/core';
import type { OpenedModel } from '@tesserae/core/node';
import { canEncode, decodingGraph, encodingGraph, gridOf, parseImageTokenizerConfiguration } from '@tesserae/dvae';
import { decodeSpanGraph, parsePriorConfiguration, prefillGraph, samplingPlan } from '@tesserae/transformer';

/** A graph of a model, to be written as a file of its own. */
interface ExportedGraph {
  readonly file: string;
  readonly part: string;
  readonly graph: Graph;
}

export interface OnnxOptions {
  /** How many pictures each call works on; a prior's are all of one text, whose keys and values they share. */
  readonly batch: number;
  /** The prior is told two texts and mixes their scores. */
  readonly guided: boolean;
}

/** The graphs of a model's parts: what `docs/exporting.md` lists. */
async function exportedGraphs(model: OpenedModel, { batch, guided }: OnnxOptions): Promise<readonly ExportedGraph[]> {
  const graphs: ExportedGraph[] = [];
  if (model.index.parts.imageTokenizer !== undefined) {
    const configuration = parseImageTokenizerConfiguration(await model.readJson('imageTokenizer', 'config.json'));
    const grid = gridOf(configuration);
    if (canEncode(configuration)) graphs.push({ file: 'encoder.onnx', part: 'imageTokenizer', graph: encodingGraph(configuration, batch, grid) });
    graphs.push({ file: 'decoder.onnx', part: 'imageTokenizer', graph: decodingGraph(configuration, batch, grid) });
  }
  if (model.index.parts.prior !== undefined) {
    const configuration = parsePriorConfiguration(await model.readJson('prior', 'config.json'));
    const decoding = { candidates: batch, branches: guided ? 2 : 1, span: 1 };
    // One token a call, chosen by the caller or, where it gives none, the likeliest.
    const likeliest = samplingPlan({ temperature: 0 }, configuration.codebookSize);
    graphs.push({ file: 'prior-prefill.onnx', part: 'prior', graph: prefillGraph(configuration, decoding, { known: 0, shared: true }) });
    graphs.push({ file: 'prior-decode.onnx', part: 'prior', graph: decodeSpanGraph(configuration, decoding, likeliest) });
  }
  return graphs;
}

/** Every graph of a model as the bytes of an ONNX file with its weights inside, one after another; standard operators only. */
export async function* onnxModels(model: OpenedModel, options: OnnxOptions): AsyncIterable<{ readonly file: string; readonly graph: Graph; readonly bytes: Uint8Array }> {
  for (const { file, part, graph } of await exportedGraphs(model, options)) yield { file, graph, bytes: await toOnnxModel(graph, await model.openWeights(part)) };
}
