import { corrupt, type Fields, isFields, stepsOf, unsupported } from './fields.js';

/** Ids before and behind every text. */
interface Frame {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

function idOf(value: unknown): number {
  const id: unknown = Array.isArray(value) ? value[1] : undefined;
  return typeof id === 'number' && Number.isInteger(id) && id >= 0 ? id : corrupt(`frames texts with ${JSON.stringify(value)}`);
}

/** `single` of a template: special tokens around one `Sequence`. */
function templateFrame({ single, special_tokens: specials }: Fields): Frame {
  if (!Array.isArray(single) || !isFields(specials)) return corrupt('has a template without tokens');
  const frame = { before: [] as number[], after: [] as number[] };
  let side: number[] = frame.before;
  for (const step of single as readonly unknown[]) {
    if (isFields(step) && isFields(step.Sequence)) {
      side = frame.after;
    } else if (isFields(step) && isFields(step.SpecialToken)) {
      const special = specials[String(step.SpecialToken.id)];
      const ids: unknown = isFields(special) ? special.ids : undefined;
      if (!Array.isArray(ids)) return corrupt(`has a template with ${JSON.stringify(step)}, which it does not explain`);
      side.push(...ids.map((id: unknown) => idOf([undefined, id])));
    } else return corrupt(`has a template with ${JSON.stringify(step)}`);
  }
  return frame;
}

function frameOfStep(fields: Fields): Frame {
  switch (fields.type) {
    case 'RobertaProcessing':
    case 'BertProcessing':
      return { before: [idOf(fields.cls)], after: [idOf(fields.sep)] };
    case 'TemplateProcessing':
      return templateFrame(fields);
    case 'ByteLevel':
      // It moves offsets only.
      return { before: [], after: [] };
    default:
      return unsupported('post_processor', fields);
  }
}

/** `post_processor` of a `tokenizer.json`, for single texts. */
export function frameOf(value: unknown): Frame {
  return stepsOf(value, 'post_processor', 'processors')
    .map(frameOfStep)
    .reduce<Frame>((inner, outer) => ({ before: [...outer.before, ...inner.before], after: [...inner.after, ...outer.after] }), { before: [], after: [] });
}
