import { describeSameTokens } from './__fixtures__/same-tokens.js';

describeSameTokens('sampled', 1);
