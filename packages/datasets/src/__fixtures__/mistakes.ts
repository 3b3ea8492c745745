import type { Picture } from '@tesserae/core';
import { drawScene } from '../scenes/draw.js';
import { halfExtents } from '../scenes/outlines.js';
import type { OneObjectScene, Scene, SceneObject, TwoObjectScene } from '../scenes/scene.js';
import { backgrounds, backgroundValues, colours, places, relations, shapes } from '../scenes/vocabulary.js';

/** Scenes that differ from the given one in one respect; `choice` (a whole number) says which of the ways. */

function another<Name>(names: readonly Name[], than: Name, choice: number): Name {
  const others = names.filter((name) => name !== than);
  return others[choice % others.length] ?? than;
}

/** The scene with one of its objects changed. */
export function withObject(scene: Scene, choice: number, change: (object: SceneObject) => SceneObject): Scene {
  if (scene.kind === 'one') return { ...scene, objects: [change(scene.objects[0])] };
  const [first, second] = scene.objects;
  return { ...scene, objects: choice % 2 === 0 ? [change(first), second] : [first, change(second)] };
}

export function otherColour(scene: Scene, choice: number): Scene {
  return withObject(scene, choice, (object) => ({ ...object, colour: another(colours, object.colour, choice >> 1) }));
}

export function otherShape(scene: Scene, choice: number): Scene {
  return withObject(scene, choice, (object) => ({ ...object, shape: another(shapes, object.shape, choice >> 1) }));
}

function atPlace(scene: OneObjectScene, place: OneObjectScene['place']): OneObjectScene {
  const [object] = scene.objects;
  const half = halfExtents(object.shape, object.extent, object.angle);
  const near = (reach: number): number => Math.max(15, reach + 1.5);
  const x = place.endsWith('left') ? near(half.x) : place.endsWith('right') ? 64 - near(half.x) : 32;
  const y = place.startsWith('top') ? near(half.y) : place.startsWith('bottom') ? 64 - near(half.y) : 32;
  return { ...scene, place, objects: [{ ...object, x, y }] };
}

/** Just on the other side of the gap between the sizes at odd choices, well beyond it at even ones. */
export function otherSize(scene: OneObjectScene, choice: number): OneObjectScene {
  const [object] = scene.objects;
  const large = choice % 2 === 0 ? 30 : 26;
  const small = choice % 2 === 0 ? 15 : 18;
  return atPlace({ ...scene, objects: [{ ...object, extent: object.size === 'small' ? large : small }] }, scene.place);
}

export function otherPlace(scene: OneObjectScene, choice: number): OneObjectScene {
  return atPlace(scene, another(places, scene.place, choice));
}

export function otherBackground(scene: Scene, choice: number): Scene {
  return { ...scene, background: another(backgrounds, scene.background, choice) };
}

/** The two objects' places exchanged. */
export function swapped(scene: TwoObjectScene): TwoObjectScene {
  const [first, second] = scene.objects;
  return {
    ...scene,
    objects: [
      { ...first, x: second.x, y: second.y },
      { ...second, x: first.x, y: first.y },
    ],
  };
}

/** The picture turned by 90°, the objects upright: every relation becomes one across. */
export function turned(scene: TwoObjectScene): TwoObjectScene {
  const [first, second] = scene.objects;
  return {
    ...scene,
    relation: another(relations, scene.relation, 0),
    objects: [
      { ...first, x: first.y, y: first.x },
      { ...second, x: second.y, y: second.x },
    ],
  };
}

/** One object of two left out. */
export function missingObject(scene: TwoObjectScene, choice: number): OneObjectScene {
  const [first, second] = scene.objects;
  return { kind: 'one', background: scene.background, place: 'centre', objects: [choice % 2 === 0 ? first : second] };
}

/** The scene's picture with a small object more, where there is room for it. */
export function drawnWithExtra(scene: Scene, choice: number): Picture {
  const { objects } = scene;
  const spots = [10, 54].flatMap((x) => [10, 54].map((y) => ({ x, y })));
  const room = (spot: { readonly x: number; readonly y: number }): number =>
    Math.min(...objects.map((object) => Math.max(Math.abs(object.x - spot.x), Math.abs(object.y - spot.y)) - object.extent / 2));
  const spot = spots.reduce((one, other) => (room(other) > room(one) ? other : one));
  const extra: SceneObject = {
    ...spot,
    colour: colours[choice % colours.length] ?? 'red',
    shape: shapes[(choice >> 3) % shapes.length] ?? 'circle',
    size: 'small',
    extent: 14,
    angle: 0,
  };
  const picture = drawScene(scene);
  const alone = drawScene({ kind: 'one', background: scene.background, place: 'centre', objects: [extra] });
  const background = backgroundValues[scene.background];
  // Where the extra object is, the scene has nothing but background.
  const data = picture.data.map((value, index) => (alone.data[index] === background[index % 3] ? value : (alone.data[index] ?? 0)));
  return { ...picture, data };
}
