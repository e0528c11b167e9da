import { plainText } from '../../../validator/plain-text.js';

/** Sentences of at most this many characters are quoted. */
const LONGEST_QUOTE = 400;
const SHORTEST_QUOTE = 30;
const STOP_WORDS = new Set(
  'a an and are as at be by can for from has have how in into is it its of on or that the their then there these this to was were what when which who will with not no we you'.split(
    ' ',
  ),
);

/**
 * The sentences of a Markdown note in plain words: headings, lists, code, tables and quotations are passed over, and so
 * is what odd markup elsewhere in the note would keep the check of quotations from finding.
 */
export function sentencesOf(note: string): string[] {
  const body = note.replace(/^---\n[\s\S]*?\n---\n/, '').replace(/```[\s\S]*?```/g, '');
  const whole = plainText(note);
  return body
    .split(/\n{2,}/)
    .filter(isProse)
    .flatMap(splitSentences)
    .filter((sentence) => whole.includes(sentence));
}

const isProse = (block: string): boolean => !/^\s*([#>|*+-]|\d+\.\s|!\[)/.test(block);

function splitSentences(block: string): string[] {
  return Array.from(segmenter.segment(plainText(block)), ({ segment }) => segment.trim()).filter(isQuotable);
}
const segmenter = new Intl.Segmenter('en', { granularity: 'sentence' });

const isQuotable = (sentence: string): boolean =>
  sentence.length >= SHORTEST_QUOTE &&
  sentence.length <= LONGEST_QUOTE &&
  /^[\p{Lu}\d"“‘(].*[.!?]["”’)]?$/u.test(sentence);

/** The words that say something, in the singular as far as dropping an s makes it. */
export const wordsOf = (text: string): string[] =>
  (text.toLowerCase().match(/\p{L}[\p{L}\p{N}-]+/gu) ?? [])
    .filter((word) => !STOP_WORDS.has(word))
    .map((word) => (word.length > 3 ? word.replace(/(?<!s)s$/, '') : word));

/**
 * An extractive summary: the `most` sentences that say most about the topic, in the order of the note. A sentence scores
 * by the words of the topic it holds, then by how frequent its words are in the note, with a little for standing early.
 */
export function summarise(note: string, topic: string, most: number): string[] {
  const sentences = [...new Set(sentencesOf(note))];
  const topicWords = new Set(wordsOf(topic));
  const frequency = new Map<string, number>();
  for (const word of sentences.flatMap(wordsOf)) frequency.set(word, (frequency.get(word) ?? 0) + 1);
  const ranked = sentences.map((sentence, position) => {
    const words = wordsOf(sentence);
    const onTopic = new Set(words.filter((word) => topicWords.has(word))).size;
    const weight = words.reduce((sum, word) => sum + frequency.get(word)!, 0) / Math.max(words.length, 1);
    return { sentence, position, score: onTopic * 10 + weight + 1 / (1 + position) };
  });
  return ranked
    .sort((left, right) => right.score - left.score || left.position - right.position)
    .slice(0, most)
    .sort((left, right) => left.position - right.position)
    .map(({ sentence }) => sentence);
}
