import type { Graph, OperationName } from '../../graph/index.js';
import { compositeCases } from './composite-cases.js';
import type { ConformanceCase } from './conformance-case.js';
import { edgeCases } from './edge-cases.js';
import { binaryCases, unaryCases } from './elementwise-cases.js';
import { linearCases } from './linear-algebra-cases.js';
import { loopCases } from './loop-cases.js';
import { reductionCases } from './reduction-cases.js';
import { shapeCases } from './shape-cases.js';

/** Every operation, forward and gradient, over several shapes. Names are stable: exclusions go by them. */
export function conformanceCases(): ConformanceCase[] {
  return [...unaryCases(), ...binaryCases(), ...reductionCases(), ...shapeCases(), ...linearCases(), ...compositeCases(), ...loopCases(), ...edgeCases()];
}

/** Operations that appear in the cases, loop bodies included. */
export function coveredOperations(cases: readonly ConformanceCase[]): ReadonlySet<OperationName> {
  const covered = new Set<OperationName>();
  const visit = (graph: Graph): void => {
    for (const node of graph.nodes) {
      covered.add(node.operation);
      if (node.operation === 'loop') visit(node.attributes.body);
    }
  };
  for (const { graph } of cases) visit(graph);
  return covered;
}
