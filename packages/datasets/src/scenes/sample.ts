import { deriveKey, keyFromSeed, TesseraeError, uniformArray } from '@tesserae/core';
import { sceneCaption } from './captions.js';
import { halfExtents } from './outlines.js';
import type { Scene, SceneObject, Split } from './scene.js';
import { sceneSize, splits } from './scene.js';
import type { Background, Colour, Place, Relation, Shape, Size } from './vocabulary.js';
import { backgrounds, colours, isHeldOut, places, relations, shapes, sizes } from './vocabulary.js';

/** What is not bounded here is drawn uniformly. All lengths in pixels of the 64-pixel scene. */
const smallExtent = { from: 14, to: 18 };
const largeExtent = { from: 26, to: 34 };
/** Two large objects side by side must leave room between them. */
const largeExtentOfTwo = { from: 26, to: 28 };
const largestTurn = 8;
const margin = 1.5;
const smallestGap = 3;
const jitter = 3;
const cornerCentre = 15;

const pairs = colours.flatMap((colour) => shapes.map((shape) => ({ colour, shape })));
const knownPairs = pairs.filter(({ colour, shape }) => !isHeldOut(colour, shape));
const heldOutPairs = pairs.filter(({ colour, shape }) => isHeldOut(colour, shape));

interface Pair {
  readonly colour: Colour;
  readonly shape: Shape;
}

/** Draws one after the other from a finite row of uniform numbers, so that the n-th choice never shifts the others. */
interface Draws {
  /** A number in [from, to). */
  between(from: number, to: number): number;
  pick<Item>(items: readonly Item[]): Item;
}

/** More than any scene uses. */
const drawsPerScene = 32;

function drawsAt(seed: number, split: Split, index: number): Draws {
  const key = deriveKey(keyFromSeed(seed), `scenes${split}`, index);
  const numbers = uniformArray(key, drawsPerScene);
  let next = 0;
  const unit = (): number => {
    const number = numbers[next];
    next += 1;
    if (number === undefined) {
      throw new TesseraeError('numerical-failure', `A scene used more than ${drawsPerScene} random numbers.`, { remedy: 'Raise drawsPerScene.' });
    }
    return number;
  };
  return {
    between: (from, to) => from + (to - from) * unit(),
    pick: (items) => {
      const item = items[Math.min(items.length - 1, Math.floor(unit() * items.length))];
      if (item === undefined) {
        throw new TesseraeError('invalid-argument', 'There is nothing to pick from.', { remedy: 'Give at least one item.' });
      }
      return item;
    },
  };
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}

/** Keeps an object wholly inside the picture. */
function inside(centre: number, half: number): number {
  return clamp(centre, margin + half, sceneSize - margin - half);
}

function samplePair(draws: Draws, split: Split, heldOut: boolean): Pair {
  if (split !== 'zeroshot') {
    return draws.pick(knownPairs);
  }
  return draws.pick(heldOut ? heldOutPairs : pairs);
}

function sampleOne(draws: Draws, split: Split, background: Background): Scene {
  const { colour, shape } = samplePair(draws, split, true);
  const size: Size = draws.pick(sizes);
  const place: Place = draws.pick(places);
  const range = size === 'small' ? smallExtent : largeExtent;
  const extent = draws.between(range.from, range.to);
  const angle = draws.between(-largestTurn, largestTurn);
  const half = halfExtents(shape, extent, angle);
  const centre = sceneSize / 2;
  const across = place.endsWith('left') ? cornerCentre : place.endsWith('right') ? sceneSize - cornerCentre : centre;
  const down = place.startsWith('top') ? cornerCentre : place.startsWith('bottom') ? sceneSize - cornerCentre : centre;
  const x = inside(across + draws.between(-jitter, jitter), half.x);
  const y = inside(down + draws.between(-jitter, jitter), half.y);
  return { kind: 'one', background, place, objects: [{ colour, shape, size, x, y, extent, angle }] };
}

/** Two intervals of given half lengths along one side, wished at a quarter and three quarters, moved apart as needed. */
function spread(draws: Draws, firstHalf: number, secondHalf: number): readonly [number, number] {
  const first = inside(sceneSize / 4 + draws.between(-jitter, jitter), firstHalf);
  const second = inside((3 * sceneSize) / 4 + draws.between(-jitter, jitter), secondHalf);
  const missing = firstHalf + secondHalf + smallestGap - (second - first);
  if (missing <= 0) {
    return [first, second];
  }
  const movedFirst = inside(first - missing / 2, firstHalf);
  const movedSecond = inside(Math.max(second, movedFirst + firstHalf + secondHalf + smallestGap), secondHalf);
  return [Math.min(movedFirst, movedSecond - firstHalf - secondHalf - smallestGap), movedSecond];
}

interface Body extends Pair {
  readonly size: Size;
  readonly extent: number;
  readonly angle: number;
}

function sampleBody(draws: Draws, pair: Pair): Body {
  const size: Size = draws.pick(sizes);
  const range = size === 'small' ? smallExtent : largeExtentOfTwo;
  return { ...pair, size, extent: draws.between(range.from, range.to), angle: draws.between(-largestTurn, largestTurn) };
}

function sampleTwo(draws: Draws, split: Split, background: Background): Scene {
  const relation: Relation = draws.pick(relations);
  const heldOutFirst = draws.pick([true, false]);
  const one = samplePair(draws, split, true);
  // "A red star above a red star" says nothing about which is which.
  const choices = (split === 'zeroshot' ? pairs : knownPairs).filter((pair) => pair.colour !== one.colour || pair.shape !== one.shape);
  const other = draws.pick(choices);
  const [firstPair, secondPair] = heldOutFirst ? [one, other] : [other, one];
  const bodies = [sampleBody(draws, firstPair), sampleBody(draws, secondPair)] as const;

  const vertical = relation === 'above' || relation === 'below';
  const firstComesFirst = relation === 'above' || relation === 'left';
  const along = vertical ? 'y' : 'x';
  const room = sceneSize - 2 * margin - smallestGap;
  const needed = bodies.reduce((sum, body) => sum + 2 * halfExtents(body.shape, body.extent, body.angle)[along], 0);
  const shrink = Math.min(1, room / needed);
  const fitted = [
    { ...bodies[0], extent: bodies[0].extent * shrink },
    { ...bodies[1], extent: bodies[1].extent * shrink },
  ] as const;
  const [leading, trailing] = firstComesFirst ? fitted : ([fitted[1], fitted[0]] as const);
  const leadingHalf = halfExtents(leading.shape, leading.extent, leading.angle);
  const trailingHalf = halfExtents(trailing.shape, trailing.extent, trailing.angle);
  const [leadingAlong, trailingAlong] = spread(draws, leadingHalf[along], trailingHalf[along]);
  const cross = vertical ? 'x' : 'y';
  const leadingCross = inside(sceneSize / 2 + draws.between(-jitter, jitter), leadingHalf[cross]);
  const trailingCross = inside(sceneSize / 2 + draws.between(-jitter, jitter), trailingHalf[cross]);
  const placed = (body: Body, alongValue: number, crossValue: number): SceneObject => ({
    colour: body.colour,
    shape: body.shape,
    size: body.size,
    x: vertical ? crossValue : alongValue,
    y: vertical ? alongValue : crossValue,
    extent: body.extent,
    angle: body.angle,
  });
  const leadingObject = placed(leading, leadingAlong, leadingCross);
  const trailingObject = placed(trailing, trailingAlong, trailingCross);
  return { kind: 'two', background, relation, objects: firstComesFirst ? [leadingObject, trailingObject] : [trailingObject, leadingObject] };
}

export interface SceneExample {
  readonly scene: Scene;
  readonly caption: string;
}

export interface SampleOptions {
  /** Only scenes with one object, or only with two. Default: half and half. */
  readonly kind?: Scene['kind'];
}

/**
 * Scene number `index` of a split, with its caption. It depends on nothing but the arguments: the same however many
 * are asked for, in whatever order. `train` and `validation` are separate random streams without held-out pairs;
 * every `zeroshot` scene holds one.
 *
 * @param seed any safe integer. @param index a whole number ≥ 0.
 * @throws TesseraeError `invalid-argument` for an unknown split or a seed or index that is not a safe integer.
 */
export function sampleExample(seed: number, split: Split, index: number, options: SampleOptions = {}): SceneExample {
  if (!splits.includes(split)) {
    throw new TesseraeError('invalid-argument', `There is no split "${String(split)}" of the scenes.`, { remedy: `Use one of ${splits.join(', ')}.`, details: { split } });
  }
  if (!Number.isSafeInteger(seed) || !Number.isSafeInteger(index) || index < 0) {
    throw new TesseraeError('invalid-argument', `Scene ${index} of seed ${seed} cannot be made.`, {
      remedy: 'Give a whole number as seed and a whole number ≥ 0 as index.',
      details: { seed, index },
    });
  }
  const draws = drawsAt(seed, split, index);
  const drawnKind = draws.pick(['one', 'two'] as const);
  const captionChoice = draws.between(0, 1);
  const background = draws.pick(backgrounds);
  const scene = (options.kind ?? drawnKind) === 'one' ? sampleOne(draws, split, background) : sampleTwo(draws, split, background);
  return { scene, caption: sceneCaption(scene, captionChoice) };
}

/** The scene of `sampleExample` alone. */
export function sampleScene(seed: number, split: Split, index: number, options: SampleOptions = {}): Scene {
  return sampleExample(seed, split, index, options).scene;
}
