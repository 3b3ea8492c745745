export { collectEvents, mockImageTokenizer, mockPrior, mockScorer, mockTextTokenizer } from './mock-models.js';
