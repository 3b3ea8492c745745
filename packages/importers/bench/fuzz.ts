// 10,000 seeded mutations of good files, by hand:
//   node --conditions=tesserae-source --import tsx packages/importers/bench/fuzz.ts [mutations] [seed]
import { fuzz } from '../src/__fixtures__/fuzz.js';

const [mutations = 10_000, seed = 1] = process.argv.slice(2).map(Number);
const start = performance.now();
const report = await fuzz(mutations, seed, 2_000, (done) => {
  if (done % 1_000 === 0) process.stderr.write(`${done} of ${mutations}, ${(process.memoryUsage().rss / 2 ** 20).toFixed(0)} MB resident\n`);
});
for (const problem of report.problems) process.stdout.write(`${problem}\n`);
process.stdout.write(
  `${report.mutations} mutations with seed ${seed} in ${((performance.now() - start) / 1000).toFixed(1)} s: ${report.refused} refused, ${report.read} read, ${report.problems.length} problems\n`,
);
process.exit(report.problems.length === 0 ? 0 : 1);
