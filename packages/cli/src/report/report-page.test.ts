import { describe, expect, it } from 'vitest';
import { elementsOf } from '../__fixtures__/well-formed.js';
import { curvesOf } from '../training/curves.js';
import { drawUsage, type PagePicture, reportPage, type TokenizerReport } from './report-page.js';

const picture = (alt: string): PagePicture => ({ url: 'data:image/png;base64,AAAA', width: 16, height: 8, alt });

const report: TokenizerReport = {
  summary: [['codes', '4 <of> 2×2']],
  trainings: [{ name: 'decoder & more', curves: curvesOf('{"step":1,"loss":2}\n{"step":2,"loss":1,"p<q":3}') }],
  reconstructions: {
    columns: ['original', 'τ = 1/4', 'codes'],
    rows: [{ captions: ['"cat" & <dog>.png', '20 dB', '21 dB'], pictures: [picture('"cat"'), picture('relaxed'), picture('codes')] }],
    note: 'a note',
  },
  worst: [{ original: picture('worst'), again: picture('worst again'), caption: 'worst.png, 9.00 dB' }],
  usage: { counts: [6, 3, 0], note: '2 of 3' },
  codebook: { picture: picture('codes'), note: 'all codes' },
  recipe: { rate: 0.0024000000000000002, name: '</pre><script>alert(1)</script>' },
};

describe('reportPage', () => {
  it('is well-formed, whatever files and recipes are called, and asks for nothing outside itself', () => {
    const elements = elementsOf(reportPage('A & B', report));
    expect(elements.map(({ name }) => name)).not.toContain('script');
    expect(elements.map(({ name }) => name)).not.toContain('link');
    const addresses = elements.flatMap(({ attributes: { src, href } }) => [src, href].filter((address) => address !== undefined));
    expect(addresses).toHaveLength(6);
    for (const address of addresses) expect(address).toMatch(/^data:image\//);
  });

  it('says in words what every picture and drawing shows', () => {
    const elements = elementsOf(reportPage('A', report));
    const images = elements.filter(({ name }) => name === 'img');
    expect(images.map(({ attributes }) => attributes.alt)).toEqual(['&quot;cat&quot;', 'relaxed', 'codes', 'worst', 'worst again', 'codes']);
    const drawings = elements.filter(({ name }) => name === 'svg');
    expect(drawings.map(({ attributes }) => attributes['aria-label'])).toEqual(['2 of 3', 'Curves of decoder &amp; more']);
  });

  it('shows names and numbers as text, numbers short', () => {
    const page = reportPage('A', report);
    expect(page).toContain('&lt;/pre&gt;&lt;script&gt;');
    expect(page).toContain('"rate&quot;: 0.0024'.replace('"rate', '&quot;rate'));
    expect(page).not.toContain('0.0024000000000000002');
  });

  it('has colours for light and for dark pages', () => {
    expect(reportPage('A', report)).toContain('prefers-color-scheme: dark');
  });

  it('leaves out what there is nothing of', () => {
    const page = reportPage('A', { summary: [], trainings: [], worst: [], codebook: report.codebook });
    expect(page.match(/<h2>[^<]*/g)).toEqual(['<h2>The codebook']);
    elementsOf(page);
  });
});

describe('samples of a prior', () => {
  it('stand first, a sheet a moment, under the prompts of their rows', () => {
    const samples = {
      prompts: ['a "red" <ball>', 'two'],
      sheets: [
        { name: 'after 20 updates', picture: picture('early') },
        { name: 'after 40 updates', picture: picture('late') },
      ],
    };
    const page = reportPage('A', { ...report, samples });
    expect(page.match(/<h2>[^<]*/g)?.[0]).toBe('<h2>Samples of the prior');
    const elements = elementsOf(page);
    expect(elements.filter(({ name }) => name === 'li')).toHaveLength(2);
    expect(page).toContain('a &quot;red&quot; &lt;ball&gt;');
    expect(
      elements
        .filter(({ name }) => name === 'img')
        .slice(0, 2)
        .map(({ attributes }) => [attributes.alt, attributes.width]),
    ).toEqual([
      ['early', '320'],
      ['late', '320'],
    ]);
  });
});

describe('drawUsage', () => {
  it('draws a bar a code, as high as the logarithm of its use', () => {
    const path = /<path d="([^"]+)" fill="#3b78e7"/.exec(drawUsage([7, 1, 0], 'use'))?.[1];
    // ln 8, ln 2 and ln 1 over ln 8, from 176 up to 10.
    expect(path).toBe('M56 176V10.0H274.0V120.7H492.0V176.0H710.0V176Z');
  });
});
