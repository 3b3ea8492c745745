import type { Scene, SceneObject } from './scene.js';
import type { Background, Colour, Place, Relation, Shape, Size } from './vocabulary.js';
import { backgrounds, colours, places, relationPhrases, relations, shapes, sizes } from './vocabulary.js';

function withArticle(words: string): string {
  return `${/^[aeiou]/.test(words) ? 'an' : 'a'} ${words}`;
}

function noun(object: SceneObject, withSize: boolean): string {
  return withArticle(`${withSize ? `${object.size} ` : ''}${object.colour} ${object.shape}`);
}

/** Every way the captions describe a scene. Sentences about two objects leave the sizes out. */
export function describeScene(scene: Scene): readonly string[] {
  const background = `${scene.background} background`;
  if (scene.kind === 'two') {
    const [first, second] = scene.objects;
    const both = `${noun(first, false)} ${relationPhrases[scene.relation]} ${noun(second, false)}`;
    return [`${both} on a ${background}`, `${both}, ${background}`, `on a ${background}, ${both}`, `a ${background} with ${both}`];
  }
  const [object] = scene.objects;
  const subject = noun(object, true);
  const short = noun(object, false);
  if (scene.place === 'centre') {
    return [
      `${subject} on a ${background}`,
      `${subject} in the middle, ${background}`,
      `${subject}, ${background}`,
      `a ${background} with ${subject}`,
      `${subject} in the centre of a ${background}`,
      `${short} on a ${background}`,
    ];
  }
  const corner = `in the ${scene.place} corner`;
  return [
    `${subject} ${corner}, ${background}`,
    `${subject} ${corner} of a ${background}`,
    `${subject} ${corner} on a ${background}`,
    `${corner}, ${subject} on a ${background}`,
    `a ${background} with ${subject} ${corner}`,
    `${short} ${corner}, ${background}`,
  ];
}

/** One of the descriptions. @param choice in [0, 1). */
export function sceneCaption(scene: Scene, choice: number): string {
  const captions = describeScene(scene);
  return captions[Math.min(captions.length - 1, Math.floor(choice * captions.length))] ?? '';
}

export interface ParsedObject {
  readonly colour: Colour;
  readonly shape: Shape;
  /** Undefined where the caption says nothing about it; then any size is right. */
  readonly size: Size | undefined;
}

/** What a caption promises about its picture. */
export interface ParsedCaption {
  readonly objects: readonly ParsedObject[];
  /** Undefined where the caption does not say. */
  readonly background: Background | undefined;
  /** Of a single object; a caption that names no corner means the centre. */
  readonly place: Place | undefined;
  /** Of the first of two objects to the second. */
  readonly relation: Relation | undefined;
}

function isOneOf<Word extends string>(words: readonly Word[], word: string | undefined): word is Word {
  return word !== undefined && (words as readonly string[]).includes(word);
}

const objectPattern = new RegExp(`\\b(?:(${sizes.join('|')}) )?(${colours.join('|')}) (${shapes.join('|')})\\b`, 'g');
const backgroundPattern = new RegExp(`\\b(${backgrounds.join('|')}) background\\b`);
const relationPatterns = relations.map((name) => ({ name, pattern: new RegExp(`\\b${relationPhrases[name]}\\b`) }));
const placePattern = new RegExp(`\\b(${places.slice(1).join('|')}) corner\\b`);

/**
 * Reads a caption of the scenes back (lower or upper case, spare spaces and a final dot do not matter).
 * @returns undefined when the sentence is not about one object or two objects in a relation.
 */
export function parseCaption(caption: string): ParsedCaption | undefined {
  const text = caption.toLowerCase().replace(/\s+/g, ' ').replaceAll('grey', 'gray').trim();
  const objects: ParsedObject[] = [];
  for (const [, size, colour, shape] of text.matchAll(objectPattern)) {
    if (isOneOf(colours, colour) && isOneOf(shapes, shape)) {
      objects.push({ colour, shape, size: isOneOf(sizes, size) ? size : undefined });
    }
  }
  const backgroundWord = backgroundPattern.exec(text)?.[1];
  const background = isOneOf(backgrounds, backgroundWord) ? backgroundWord : undefined;
  const relation = relationPatterns.find(({ pattern }) => pattern.test(text))?.name;
  if (objects.length === 1 && relation === undefined) {
    const placeWord = placePattern.exec(text)?.[1];
    return { objects, background, place: isOneOf(places, placeWord) ? placeWord : 'centre', relation: undefined };
  }
  if (objects.length === 2 && relation !== undefined) {
    return { objects, background, place: undefined, relation };
  }
  return undefined;
}
