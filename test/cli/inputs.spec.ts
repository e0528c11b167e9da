import { describe, expect, it } from '@jest/globals';
import { inputsOf } from '../../src/cli/commands/run.command.js';

describe('--input', () => {
  const pairs: [string[], object][] = [
    [['topic=tides'], { topic: 'tides' }],
    [['count=3', 'deep=true', 'none=null'], { count: 3, deep: true, none: null }],
    [['urls=["http://a/","http://b/"]'], { urls: ['http://a/', 'http://b/'] }],
    [['urls[]=http://a/?x=1', 'urls[]=http://b/'], { urls: ['http://a/?x=1', 'http://b/'] }],
    [['only[]=7'], { only: [7] }],
    [['text=a=b\nc'], { text: 'a=b\nc' }],
    [['text='], { text: '' }],
    [['text={not json'], { text: '{not json' }],
    [['a=1', 'a=2'], { a: 2 }],
  ];
  it.each(pairs)('%j means %j', (given, expected) => {
    expect(inputsOf(given)).toEqual(expected);
  });

  it.each(['topic', '=x', '[]=x', 'a[b]=x', ''])('%j is refused, with what was expected', (pair) => {
    expect(() => inputsOf([pair])).toThrow(`--input ${pair}: expected k=v or k[]=v`);
  });
});
