import type { Tensor } from '../graph/index.js';

/** Options of everything slow. */
export interface CallOptions {
  readonly signal?: AbortSignal;
}

/** Options of turning codes into pictures. */
export interface DecodeOptions extends CallOptions {
  /** Decode as if the picture were repeated in all directions, so that its edges fit each other. Default false. */
  readonly seamless?: boolean;
}

/** Rows and columns of image tokens. */
export interface Grid {
  readonly rows: number;
  readonly columns: number;
}

/** A picture: RGB bytes, row-major `[height, width, 3]`, 0…255. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** Pixels ⇄ codes of a codebook. Codes are int32, row-major over the grid. */
export interface ImageTokenizer {
  readonly specificationVersion: 'v1';
  readonly codebookSize: number;
  /** Pixels an image token is wide and high. */
  readonly downsampling: number;
  /** The grid at the training size. */
  readonly grid: Grid;
  /** Width and height must be multiples of `downsampling`. @throws TesseraeError `image-invalid`. */
  encode(pictures: readonly Picture[], options?: CallOptions): Promise<Int32Array[]>;
  /** Any grid the architecture allows. @throws TesseraeError `invalid-argument` for a code out of range. */
  decode(codes: readonly Int32Array[], grid: Grid, options?: DecodeOptions): Promise<Picture[]>;
  dispose(): void;
}

/** Text ⇄ token ids. */
export interface TextTokenizer {
  readonly specificationVersion: 'v1';
  readonly vocabularySize: number;
  /** Ids without padding, at most as many as the text needs. */
  encode(text: string): Int32Array;
  decode(ids: ArrayLike<number>): string;
}

/** A text as another encoder's features, for priors that read those instead of ids. */
export interface TextFeatures {
  /** float32 [textLength, width], row-major. Absent: the prior's own features of "no text". */
  readonly values?: Float32Array;
  /** By position: 1 where it is looked at. Default: everywhere. */
  readonly mask?: Uint8Array;
}

/** Which questions a prior knows: texts; one of so many classes; `length` features of `width` numbers. */
export type Conditioning =
  | { readonly kind: 'text' }
  | { readonly kind: 'class'; readonly classes: number }
  | { readonly kind: 'features'; readonly length: number; readonly width: number };

/** What a prior is told about the picture. */
export interface Question {
  /** Text ids without padding, possibly none (the empty text); for priors of classes one number, or none for no class. */
  readonly text: Int32Array;
  /** For priors that read features; `text` is empty then. */
  readonly features?: TextFeatures;
}

/** One way of asking the prior; several are mixed by `weight` (guidance): logits = Σ weight·logits(question). Weights sum to 1. */
export interface GuidanceBranch extends Question {
  readonly weight: number;
}

export interface Sampling {
  /** Default 1; 0 is greedy (the most likely token, whatever top-k and top-p say). */
  readonly temperature: number;
  /** Keep the k largest logits, from 1 (ties with the k-th stay); more than there are keeps all. Undefined: all. */
  readonly topK?: number;
  /** Keep the smallest set of most likely tokens whose probability reaches p, in (0, 1]. Undefined or 1: all. */
  readonly topP?: number;
}

/** A change of the scores written with core operations, compiled into the decode loop. */
export type GraphLogits = (logits: Tensor, context: { readonly position: Tensor }) => Tensor;

/** One position's scores on the host: `scores` `[candidates, vocabulary]` may be changed in place. */
export interface StepView {
  readonly position: number;
  readonly grid: Grid;
  /** Seeds' candidate numbers in the order of the rows of `scores`. */
  readonly candidates: readonly number[];
  /** Tokens so far, `[candidates][grid size]`; unknown ones are −1. */
  readonly tokens: readonly Int32Array[];
  readonly scores: Float32Array;
}

export interface LogitsChange {
  readonly name: string;
  /** Exactly one of the two. A host callback makes decoding go token by token. */
  readonly graph?: GraphLogits;
  readonly host?: (view: StepView) => void;
}

/** What to decode: a batch of candidates of one plan. */
export interface DecodeRequest {
  readonly branches: readonly GuidanceBranch[];
  /** Known tokens by candidate, row-major over the grid; −1 where one is to be made. */
  readonly known: readonly Int32Array[];
  /** The candidates' own numbers, so that a candidate is the same in any batch. */
  readonly candidates: readonly number[];
  readonly sampling: Sampling;
  /** The uniform number in (0, 1) that decides `position` of candidate `candidate` (inverse CDF). */
  readonly uniform: (candidate: number, position: number) => number;
  readonly logits?: readonly LogitsChange[];
}

/** A row of tokens that was finished, for every candidate of the batch. */
export interface DecodedRow {
  readonly row: number;
  /** `[candidates][columns]`. */
  readonly tokens: readonly Int32Array[];
}

/** Text tokens + known image tokens → distributions over the next image token. */
export interface ImagePrior {
  readonly specificationVersion: 'v1';
  readonly grid: Grid;
  readonly codebookSize: number;
  /** Default: texts. */
  readonly conditioning?: Conditioning;
  /** Most text ids a prompt may have. */
  readonly textLength: number;
  /** Candidates decoded together at most. */
  readonly maximumBatch: number;
  /**
   * Rows of tokens, first to last; known leading rows are prefilled in one pass and reported at once.
   * @throws TesseraeError `numerical-failure` when no token can be drawn: scores are not finite, or every code is forbidden.
   */
  decode(request: DecodeRequest, options?: CallOptions): AsyncIterable<DecodedRow>;
  /** log p(codes | question) in nats for each pair; a text's ids alone are a question too. Any pair, whatever made the codes. */
  logProbability(questions: readonly (Int32Array | Question)[], codes: readonly Int32Array[], options?: CallOptions): Promise<Float64Array>;
  dispose(): void;
}

/** How well pictures fit a text: larger is better. Only comparisons under one text mean something. */
export interface ImageTextScorer {
  readonly specificationVersion: 'v1';
  readonly name: string;
  score(text: string, images: readonly ScorableImage[], options?: CallOptions): Promise<Float64Array>;
}

/** A picture and, where it came from a prior, the codes it was decoded from. */
export interface ScorableImage {
  readonly picture: Picture;
  readonly codes: Int32Array;
  readonly grid: Grid;
}
