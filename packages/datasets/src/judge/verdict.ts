import type { Picture } from '@tesserae/core';
import type { ParsedCaption, ParsedObject } from '../scenes/captions.js';
import { type Scene, sceneSize } from '../scenes/scene.js';
import type { Place, Relation } from '../scenes/vocabulary.js';
import { findObjects } from './find-objects.js';
import type { FoundObject, FoundScene } from './found.js';
import { shapeTemplates } from './templates.js';

/** Drawn centres lie at most 3 pixels from the middle; 2 more are a decoder's. */
const farthestFromMiddle = 5;
/** Drawn centres in a corner lie at most 20.6 pixels from each of its sides. */
const farthestFromSide = 23;
/** Two objects stand above or beside one another when one direction outweighs the other by this. */
const clearDirection = 2;

export interface ObjectVerdict {
  readonly promised: ParsedObject;
  /** The object that fits the promise best; undefined when there is none left. */
  readonly found: FoundObject | undefined;
  readonly colour: boolean;
  readonly shape: boolean;
  /** Undefined when the promise leaves the size open. */
  readonly size: boolean | undefined;
}

/** What a picture's judge saw and decided, as plain data. */
export interface SceneVerdict {
  readonly promised: ParsedCaption;
  readonly found: FoundScene;
  /** One a promised object, in the caption's order. */
  readonly objects: readonly ObjectVerdict[];
  /** Undefined when the promise leaves it open. */
  readonly background: boolean | undefined;
  /** Of one object its place, of two their relation. */
  readonly place: boolean;
  /** The place or relation that was found; undefined when there is none to speak of. */
  readonly foundPlace: Place | Relation | undefined;
  /** Objects that nobody promised. */
  readonly extraObjects: number;
  /** Everything that is promised is right, and nothing is there beside it. */
  readonly allRight: boolean;
}

/** Decides whether a picture shows what was promised. @throws TesseraeError `image-invalid` for a picture that is not square or too small. */
export type SceneJudge = (picture: Picture, promised: ParsedCaption | Scene) => SceneVerdict;

function promiseOf(promised: ParsedCaption | Scene): ParsedCaption {
  if (!('kind' in promised)) return promised;
  const objects = promised.objects.map(({ colour, shape, size }) => ({ colour, shape, size }));
  const { background } = promised;
  return promised.kind === 'one' ? { objects, background, place: promised.place, relation: undefined } : { objects, background, place: undefined, relation: promised.relation };
}

/** Undefined between the places. */
export function placeOf({ x, y }: FoundObject): Place | undefined {
  const middle = sceneSize / 2;
  if (Math.abs(x - middle) <= farthestFromMiddle && Math.abs(y - middle) <= farthestFromMiddle) return 'centre';
  const across = x <= farthestFromSide ? 'left' : x >= sceneSize - farthestFromSide ? 'right' : undefined;
  const down = y <= farthestFromSide ? 'top' : y >= sceneSize - farthestFromSide ? 'bottom' : undefined;
  return across === undefined || down === undefined ? undefined : `${down} ${across}`;
}

/** Of the first to the second; undefined when they stand askew. */
export function relationOf(first: FoundObject, second: FoundObject): Relation | undefined {
  const across = first.x - second.x;
  const down = first.y - second.y;
  if (Math.abs(down) >= clearDirection * Math.abs(across)) return down < 0 ? 'above' : 'below';
  if (Math.abs(across) >= clearDirection * Math.abs(down)) return across < 0 ? 'left' : 'right';
  return undefined;
}

function judgeObject(promised: ParsedObject, found: FoundObject | undefined): ObjectVerdict {
  return {
    promised,
    found,
    colour: found?.colour === promised.colour,
    shape: found?.shape === promised.shape,
    size: promised.size === undefined ? undefined : found?.size === promised.size,
  };
}

/** Every way to give the promises one found object each, or none where there are too few. */
function assignments(found: readonly FoundObject[], promises: number): readonly (readonly (FoundObject | undefined)[])[] {
  if (promises === 0) return [[]];
  const choices: readonly (FoundObject | undefined)[] = found.length < promises ? [...found, undefined] : found;
  return choices.flatMap((choice) =>
    assignments(
      found.filter((object) => object !== choice),
      promises - 1,
    ).map((rest) => [choice, ...rest]),
  );
}

function judgeAssignment(promised: ParsedCaption, assigned: readonly (FoundObject | undefined)[]): Pick<SceneVerdict, 'objects' | 'place' | 'foundPlace'> {
  const objects = promised.objects.map((object, index) => judgeObject(object, assigned[index]));
  const [first, second] = assigned;
  let foundPlace: Place | Relation | undefined;
  if (promised.relation === undefined) foundPlace = first && placeOf(first);
  else foundPlace = first && second && relationOf(first, second);
  const wanted = promised.relation ?? promised.place;
  return { objects, foundPlace, place: wanted === undefined ? first !== undefined : foundPlace === wanted };
}

/** Colours and shapes say which object is meant; place and size only where those leave it open. */
function fit({ objects, place }: Pick<SceneVerdict, 'objects' | 'place'>): number {
  return objects.reduce((sum, object) => sum + (object.colour ? 10 : 0) + (object.shape ? 10 : 0) + (object.size === true ? 1 : 0), place ? 2 : 0);
}

/**
 * Makes a judge of generated scenes. It looks at pixels only: the background is what the frame shows, objects are what
 * stands out from it, and each is compared with the drawn shapes. It works at 64×64; other sizes are resampled.
 */
export function createSceneJudge(): SceneJudge {
  const templates = shapeTemplates();
  return (picture, promise) => {
    const promised = promiseOf(promise);
    const found = findObjects(picture, templates);
    const judged = assignments(found.objects, promised.objects.length).map((assigned) => judgeAssignment(promised, assigned));
    const best = judged.reduce((one, other) => (fit(other) > fit(one) ? other : one));
    const background = promised.background === undefined ? undefined : found.background === promised.background;
    const extraObjects = Math.max(0, found.objects.length - promised.objects.length);
    const allRight = best.objects.every(({ colour, shape, size }) => colour && shape && size !== false) && best.place && background !== false && extraObjects === 0;
    return { promised, found, ...best, background, extraObjects, allRight };
  };
}
