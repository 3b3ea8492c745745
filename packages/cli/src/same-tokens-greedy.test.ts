import { describeSameTokens } from './__fixtures__/same-tokens.js';

describeSameTokens('greedily', 0);
